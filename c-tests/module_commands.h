/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Management commands and counters, with the fake server. */
#ifndef MODULE_COMMANDS_H
#define MODULE_COMMANDS_H

void management(void);
/* How many calls the relay has. */
unsigned long active_calls(void);

#endif
