/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* client_nat_test, fix_contact and the variables, with the fake server. */
#ifndef MODULE_NAT_H
#define MODULE_NAT_H

#include "fake_server.h"

void nat_tests(void);
void contacts(void);
void several_contacts(void);
void first_hop(void);
/* The variable of this name for this message. */
struct mpm_value value_of(const char *name, struct message *message);

#endif
