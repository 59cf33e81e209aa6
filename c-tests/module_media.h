/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* use_media_proxy and end_media_session, with the fake server. */
#ifndef MODULE_MEDIA_H
#define MODULE_MEDIA_H

#include "fake_server.h"

void media(void);
void ends(void);
/* The port of the relay in the message as it goes out. */
int rewritten_port(const struct message *message);

#endif
