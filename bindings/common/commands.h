/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Management commands: each(NAME, what it answers, help). A server whose RPC or
 * MI calls a function for each command without its name makes one function a
 * name from this table, and all of them call mpm_command.
 */
#ifndef MPM_COMMANDS_H
#define MPM_COMMANDS_H

/* What a command answers: nothing, one entry, or a list of entries. */
#define MPM_NO_ENTRY 0
#define MPM_ONE_ENTRY 1
#define MPM_LIST 2

#define MPM_COMMANDS(each)                                                                         \
    each(relays, MPM_LIST, "Lists the relays as all processes see them.")                          \
    each(sessions, MPM_LIST, "Lists the active calls of each relay.")                              \
    each(stats, MPM_ONE_ENTRY, "Returns the counters of all processes and of the embedded relay.") \
    each(drain, MPM_NO_ENTRY, "Drains a relay: it takes no new calls. Argument: its URI.")         \
    each(enable, MPM_NO_ENTRY, "Enables a drained or disabled relay. Argument: its URI.")          \
    each(disable, MPM_NO_ENTRY, "Disables a relay: no request is sent to it. Argument: its URI.")  \
    each(reload, MPM_NO_ENTRY, "Reloads the client lists and the relays file.")

#define MPM_COMMAND_NUMBER(name, answer, help) MPM_COMMAND_##name,
enum mpm_command { MPM_COMMANDS(MPM_COMMAND_NUMBER) MPM_COMMANDS_COUNT };
#undef MPM_COMMAND_NUMBER

#endif
