/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* use_media_proxy. */
#include "state.h"

/* Sets one option. A bad value in a script's variable must not leave a call
 * without media, so it is logged and ignored. */
static void set(mp_options *options, const char *name, mp_str value)
{
    mp_error *error = NULL;
    mp_str why;

    if (value.len == 0 || mp_options_set(options, mp_text(name), value, &error) == MP_OK)
        return;
    why = mp_error_text(error);
    mpm_log(MP_LOG_WARNING, "use_media_proxy: invalid option ignored: %.*s", (int)why.len,
            why.ptr);
    mp_error_free(error);
}

static void set_options(mp_options *to, const struct mpm_options *from)
{
    mp_address address;

    mp_options_reset(to);
    set(to, "signaling_address", from->signaling_ip);
    set(to, "media_relay", from->media_relay);
    set(to, "ice_candidate", from->ice_candidate);
    set(to, "dialog_id", from->dialog_id);
    /* A host name is right here and has no effect. */
    if (from->next_hop.len > 0)
        (void)mp_options_set_next_hop(to, from->next_hop);
    if (mp_address_parse(from->reply_host, 0, &address) == MP_OK)
        mp_options_set_receiver(to, &address);
}

int mpm_rewrite(void *message, const struct mpm_options *options)
{
    static const char verb[] = "use_media_proxy";
    struct mpm_process_state *process;
    struct mpm_message described;
    mp_status status;

    process = mpm_disabled() ? NULL : mpm_parsed(message, verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    mpm_use_again(described.id);
    set_options(process->options, options);
    if (options->set.len > 0 &&
        mp_options_set_relay_set(process->options, options->set) != MP_OK)
        return mpm_failed(described.id, verb, MP_ERR_ARGUMENT,
                          mp_text("the name of the set is not UTF-8 of at most 1024 bytes"));
    mp_edits_reset(process->edits);
    status = mp_rewrite_sdp(process->worker, process->message, process->options, process->edits);
    if (status == MP_NO_SDP)
        return MPM_NO_SDP;
    if (status < MP_OK)
        return mpm_failed(described.id, verb, status, mp_worker_last_error(process->worker));
    if (mpm_make_lumps(message, described.raw, MPM_SDP, process->edits) != 0)
        return mpm_failed(described.id, verb, MP_ERR_SYSTEM,
                          mp_text("cannot add lump to the message"));
    return MPM_TRUE;
}

/* A MediaProxy relay must see the 200 to an INVITE also when it has no body, and
 * the stock modules return true for it. */
static int is_bodyless_200(void *message)
{
    struct mpm_call call;

    return mpm_server.identify(message, &call) == 0 && call.status == 200 && call.is_invite;
}

int mpm_use_media_proxy(void *message, mp_str set)
{
    struct mpm_options options = { .set = set };
    int result;

    mpm_server.options(message, &options);
    result = mpm_rewrite(message, &options);
    return result == MPM_NO_SDP && is_bodyless_200(message) ? MPM_TRUE : result;
}
