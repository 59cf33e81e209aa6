/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* use_media_proxy. */
#include "state.h"

static int ice_candidate(mp_str text, uint32_t *candidate)
{
    static const struct {
        const char *name;
        uint32_t candidate;
    } known[] = {
        { "none", MP_ICE_NONE },
        { "low-priority", MP_ICE_LOW_PRIORITY },
        { "high-priority", MP_ICE_HIGH_PRIORITY },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        mp_str name = mp_text(known[i].name);
        size_t same = 0;

        while (same < name.len && same < text.len && (text.ptr[same] | 0x20) == name.ptr[same])
            same++;
        if (same == name.len && same == text.len) {
            *candidate = known[i].candidate;
            return 0;
        }
    }
    return -1;
}

/* A value that cannot be used is no reason to leave a call without media. */
static void complain(const char *what, mp_str value, const char *form)
{
    mpm_log(MP_LOG_WARNING, "use_media_proxy: the %s \"%.*s\" does not count; give %s", what,
             (int)(value.len < 100 ? value.len : 100), value.ptr, form);
}

static void set_options(mp_options *to, const struct mpm_options *from)
{
    mp_address address;
    uint32_t candidate;

    mp_options_reset(to);
    if (from == NULL)
        return;
    if (from->signaling_ip.len > 0) {
        if (mp_address_parse(from->signaling_ip, 0, &address) == MP_OK)
            mp_options_set_signaling_address(to, &address);
        else
            complain("signaling IP", from->signaling_ip, "an IP address");
    }
    if (mp_address_parse(from->receiver, 0, &address) == MP_OK)
        mp_options_set_receiver(to, &address);
    if (from->ice_candidate.len > 0) {
        if (ice_candidate(from->ice_candidate, &candidate) == 0)
            mp_options_set_ice_candidate(to, candidate);
        else
            complain("ICE candidate", from->ice_candidate, "none, low-priority or high-priority");
    }
    if (from->media_relay.len > 0 && mp_options_set_media_relay(to, from->media_relay) != MP_OK)
        complain("media relay", from->media_relay, "at most 1024 bytes");
    if (from->dialog_id.len > 0)
        mp_options_set_dialog_id(to, from->dialog_id);
}

int mpm_use_media_proxy(const struct mpm_message *message, const struct mpm_options *options)
{
    static const char verb[] = "use_media_proxy";
    struct mpm_process *process;
    mp_status status;

    process = mpm_disabled() ? NULL : mpm_parsed(message, verb);
    if (process == NULL)
        return MPM_FALSE;
    set_options(process->options, options);
    if (options != NULL && options->set.len > 0 &&
        mp_options_set_relay_set(process->options, options->set) != MP_OK)
        return mpm_failed(message, verb, MP_ERR_ARGUMENT,
                           mp_text("the name of the set is no UTF-8 of at most 1024 bytes"));
    mp_edits_reset(process->edits);
    status = mp_rewrite_sdp(process->worker, process->message, process->options, process->edits);
    if (status == MP_NO_SDP)
        return MPM_NO_SDP;
    if (status < MP_OK)
        return mpm_failed(message, verb, status, mp_worker_last_error(process->worker));
    if (mpm_make_lumps(message, MPM_SDP, process->edits) != 0)
        return mpm_failed(message, verb, MP_ERR_SYSTEM, mp_text("the server takes no change"));
    return MPM_TRUE;
}
