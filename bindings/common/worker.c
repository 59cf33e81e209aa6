/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The worker of the current process, made on first use: timers, RPC and dialogs
 * call from processes that a server tells its modules nothing about.
 */
#include <string.h>
#include <unistd.h>

#include "state.h"

static struct mpm_process_state mine;
static pid_t owner;

/* The longest message that the library reads. */
#define LONGEST_MESSAGE 65536

/*
 * The message that was parsed last, as a copy. A script calls several verbs on
 * one message, and to parse it costs more than most of them; but scripts also
 * change messages in place. It is the same when its bytes and source are.
 */
static char bytes[LONGEST_MESSAGE];
static struct mpm_message parsed;

void mpm_free_process_state(void)
{
    mp_edits_free(mine.edits);
    mp_options_free(mine.options);
    mp_verdict_free(mine.verdict);
    mp_message_free(mine.message);
    mp_worker_free(mine.worker);
    memset(&mine, 0, sizeof mine);
    parsed.raw.len = 0;
}

static struct mpm_process_state *make(pid_t pid)
{
    mp_error *error = NULL;

    /* One that was inherited from the parent: only closes its descriptors. */
    mpm_free_process_state();
    if (mpm.engine == NULL)
        return NULL;
    if (mp_worker_new(mpm.engine, &mine.worker, &error) != MP_OK) {
        mp_str why = mp_error_text(error);
        mpm_log(MP_LOG_ERROR, "cannot make a worker in this process: %.*s", (int)why.len, why.ptr);
        mp_error_free(error);
        return NULL;
    }
    mine.message = mp_message_new();
    mine.verdict = mp_verdict_new();
    mine.options = mp_options_new();
    mine.edits = mp_edits_new();
    owner = pid;
    return &mine;
}

struct mpm_process_state *mpm_process_state(void)
{
    pid_t pid = getpid();

    if (mine.worker != NULL && owner == pid)
        return &mine;
    return make(pid);
}

static int is_parsed(const struct mpm_message *message)
{
    return parsed.raw.len > 0 && parsed.raw.len == message->raw.len &&
           parsed.transport == message->transport &&
           memcmp(&parsed.source, &message->source, sizeof parsed.source) == 0 &&
           memcmp(&parsed.local, &message->local, sizeof parsed.local) == 0 &&
           memcmp(bytes, message->raw.ptr, message->raw.len) == 0;
}

struct mpm_process_state *mpm_parsed(void *message, const char *verb, struct mpm_message *to)
{
    struct mpm_process_state *process = mpm_process_state();
    const mp_address *local;
    mp_status status;
    mp_str raw;

    mpm_server.describe(message, to);
    if (process == NULL || is_parsed(to))
        return process;
    local = to->local.family != 0 ? &to->local : NULL;
    raw = to->raw;
    parsed.raw.len = 0;
    /* A longer message is refused without being read. */
    if (raw.len <= sizeof bytes) {
        memcpy(bytes, raw.ptr, raw.len);
        raw.ptr = bytes;
    }
    status = mp_message_parse(process->message, raw, &to->source, local, to->transport);
    if (status == MP_OK) {
        parsed = *to;
        return process;
    }
    mpm_failed(to->id, verb, status, mp_message_last_error(process->message));
    return NULL;
}
