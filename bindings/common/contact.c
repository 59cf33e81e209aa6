/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fix_contact. The server has parsed the Contact too, and its registrar and
 * dialogs read that: the URI is replaced as a whole, so that there is one text
 * to point at.
 */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* A URI being built; it grows and stays for the next one. */
static char *room;
static size_t room_size;

static int append(size_t *length, const char *bytes, size_t count)
{
    if (count > room_size - *length) {
        char *larger = realloc(room, *length + count + 256);

        if (larger == NULL)
            return -1;
        room = larger;
        room_size = *length + count + 256;
    }
    if (count > 0)
        memcpy(room + *length, bytes, count);
    *length += count;
    return 0;
}

/* The URI with the edits done, in `room`: its length, or -1 when an edit lies
 * elsewhere or memory is short. */
static long edited(mp_str raw, mp_str uri, const mp_edits *edits)
{
    size_t start = (size_t)(uri.ptr - raw.ptr);
    size_t end = start + uri.len;
    size_t at = start, length = 0, count = mp_edits_count(edits);
    mp_edit edit;

    for (size_t i = 0; i < count; i++) {
        if (mp_edits_get(edits, i, &edit) != MP_OK || edit.offset < at ||
            edit.remove > end - at || edit.offset > end - edit.remove)
            return -1;
        if (append(&length, raw.ptr + at, edit.offset - at) != 0 ||
            append(&length, edit.insert.ptr, edit.insert.len) != 0)
            return -1;
        at = edit.offset + edit.remove;
    }
    return append(&length, raw.ptr + at, end - at) == 0 ? (long)length : -1;
}

static int replace_uri(const struct mpm_message *message, mp_str uri, const mp_edits *edits)
{
    long length = edited(message->raw, uri, edits);
    mp_str text = { room, (size_t)length };

    if (length < 0)
        return mpm_make_lumps(message, MPM_CONTACT, edits);
    if (mpm.server->replace(message->message, MPM_CONTACT, (size_t)(uri.ptr - message->raw.ptr),
                             uri.len, text) != 0) {
        mpm.server->forget(message->message, MPM_CONTACT);
        return -1;
    }
    mpm.server->contact_update(message->message);
    return 0;
}

int mpm_fix_contact(const struct mpm_message *message)
{
    static const char verb[] = "fix_contact";
    struct mpm_process *process;
    mp_status status;
    mp_edit first;
    mp_str uri;
    int made;

    /* The bytes are the same as the first time, and so is the source. */
    if (mpm.server->contact_update(message->message))
        return MPM_TRUE;
    process = mpm_parsed(message, verb);
    if (process == NULL)
        return MPM_FALSE;
    mp_edits_reset(process->edits);
    status = mp_fix_contact(process->worker, process->message, process->edits);
    if (status < MP_OK)
        return mpm_failed(message, verb, status, mp_worker_last_error(process->worker));
    /* As the stock modules have it. */
    if (status == MP_NO_CONTACT)
        return MPM_FALSE;
    if (mp_edits_get(process->edits, 0, &first) != MP_OK)
        return MPM_TRUE;
    switch (mpm.server->contact_uri(message->message, first.offset, &uri)) {
    case 1:
        made = replace_uri(message, uri, process->edits);
        break;
    case 0:
        made = mpm_make_lumps(message, MPM_CONTACT, process->edits);
        break;
    default:
        return mpm_failed(message, verb, MP_ERR_EDITS,
                           mp_text("the Contact was changed by another module before"));
    }
    if (made != 0)
        return mpm_failed(message, verb, MP_ERR_SYSTEM, mp_text("the server takes no change"));
    return MPM_TRUE;
}
