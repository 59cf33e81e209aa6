/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fix_contact. Registrar and dialogs read the Contact that the server parsed:
 * its URI is replaced as a whole, so that there is one text to point at.
 */
#include <stdlib.h>

#include "state.h"

/* The edited URI; the buffer grows and is kept for the next one. */
static char *buffer;
static size_t buffer_size;

static mp_status edit_uri(struct mpm_process_state *process, size_t offset, size_t length,
                          mp_str *edited)
{
    mp_status status = mp_edits_apply_range(process->edits, process->message, offset, length,
                                            buffer, buffer_size, &edited->len);

    if (status == MP_ERR_BUFFER_TOO_SMALL) {
        char *larger = realloc(buffer, edited->len);

        if (larger == NULL)
            return MP_ERR_SYSTEM;
        buffer = larger;
        buffer_size = edited->len;
        status = mp_edits_apply_range(process->edits, process->message, offset, length, buffer,
                                      buffer_size, &edited->len);
    }
    edited->ptr = buffer;
    return status;
}

static int replace_uri(void *message, mp_str raw, mp_str uri, struct mpm_process_state *process)
{
    size_t offset = (size_t)(uri.ptr - raw.ptr);
    mp_str edited;

    /* An edit lies outside the URI. */
    if (edit_uri(process, offset, uri.len, &edited) != MP_OK)
        return mpm_make_lumps(message, raw, MPM_CONTACT, process->edits);
    if (mpm_server.replace(message, MPM_CONTACT, offset, uri.len, edited) != 0) {
        mpm_server.remove(message, MPM_CONTACT);
        return -1;
    }
    mpm_server.contact_update(message);
    return 0;
}

int mpm_fix_contact(void *message)
{
    static const char verb[] = "fix_contact";
    struct mpm_process_state *process;
    struct mpm_message described;
    mp_status status;
    mp_edit first;
    mp_str uri;
    int made;

    /* Bytes and source are those of the first call, and so are the edits. */
    if (mpm_server.contact_update(message))
        return MPM_TRUE;
    process = mpm_parsed(message, verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    mp_edits_reset(process->edits);
    status = mp_fix_contact(process->worker, process->message, process->edits);
    if (status < MP_OK)
        return mpm_failed(described.id, verb, status, mp_worker_last_error(process->worker));
    /* The stock modules return false here too. */
    if (status == MP_NO_CONTACT)
        return MPM_FALSE;
    if (mp_edits_get(process->edits, 0, &first) != MP_OK)
        return MPM_TRUE;
    switch (mpm_server.contact_uri(message, first.offset, &uri)) {
    case 1:
        made = replace_uri(message, described.raw, uri, process);
        break;
    case 0:
        made = mpm_make_lumps(message, described.raw, MPM_CONTACT, process->edits);
        break;
    default:
        return mpm_failed(described.id, verb, MP_ERR_EDITS,
                          mp_text("another module has already changed the Contact"));
    }
    if (made != 0)
        return mpm_failed(described.id, verb, MP_ERR_SYSTEM,
                          mp_text("cannot add lump to the message"));
    return MPM_TRUE;
}
