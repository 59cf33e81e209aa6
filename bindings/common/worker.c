/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The worker of the current process, made when it is first needed: timers, RPC
 * and dialogs call from processes of which no module is told.
 */
#include <string.h>
#include <unistd.h>

#include "state.h"

static struct mpm_process mine;
static pid_t owner;

/* The longest message that the library reads. */
#define MESSAGE_ROOM 65536

/*
 * The message at hand. Verbs come several on one message, and parsing it costs
 * more than they do: what was read last is kept, in a copy, and is the same when
 * its bytes and its source are. Scripts change messages in place.
 */
static char kept[MESSAGE_ROOM];
static struct mpm_message seen;

static void give_back(void)
{
    mp_edits_free(mine.edits);
    mp_options_free(mine.options);
    mp_verdict_free(mine.verdict);
    mp_message_free(mine.message);
    mp_worker_free(mine.worker);
    memset(&mine, 0, sizeof mine);
    seen.raw.len = 0;
}

static struct mpm_process *make(pid_t pid)
{
    mp_error *error = NULL;

    /* A parent's: that only closes what was inherited. */
    give_back();
    if (mpm.engine == NULL)
        return NULL;
    if (mp_worker_new(mpm.engine, &mine.worker, &error) != MP_OK) {
        mp_str why = mp_error_text(error);
        mpm_log(MP_LOG_ERROR, "no worker in this process: %.*s", (int)why.len, why.ptr);
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

struct mpm_process *mpm_process(void)
{
    pid_t pid = getpid();

    if (mine.worker != NULL && owner == pid)
        return &mine;
    return make(pid);
}

static int is_kept(const struct mpm_message *message)
{
    return seen.raw.len > 0 && seen.raw.len == message->raw.len &&
           seen.transport == message->transport &&
           memcmp(&seen.source, &message->source, sizeof seen.source) == 0 &&
           memcmp(&seen.local, &message->local, sizeof seen.local) == 0 &&
           memcmp(kept, message->raw.ptr, message->raw.len) == 0;
}

struct mpm_process *mpm_parsed(const struct mpm_message *message, const char *verb)
{
    struct mpm_process *process = mpm_process();
    const mp_address *local = message->local.family != 0 ? &message->local : NULL;
    mp_str raw = message->raw;
    mp_status status;

    if (process == NULL || is_kept(message))
        return process;
    seen.raw.len = 0;
    /* What is longer is refused without being read. */
    if (raw.len <= sizeof kept) {
        memcpy(kept, raw.ptr, raw.len);
        raw.ptr = kept;
    }
    status = mp_message_parse(process->message, raw, &message->source, local, message->transport);
    if (status == MP_OK) {
        seen = *message;
        return process;
    }
    mpm_failed(message, verb, status, mp_message_last_error(process->message));
    return NULL;
}
