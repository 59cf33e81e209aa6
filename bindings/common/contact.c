/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * fix_contact. Registrar and dialogs read the Contacts that the server parsed:
 * each URI is replaced as a whole, so that there is one text to point at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* The edited URI; the buffer grows and is kept for the next one. */
static char *buffer;
static size_t buffer_size;

static int append(size_t *length, const char *from, size_t count)
{
    size_t wanted = *length + count;

    if (wanted > buffer_size) {
        char *larger = realloc(buffer, wanted);

        if (larger == NULL)
            return -1;
        buffer = larger;
        buffer_size = wanted;
    }
    if (count > 0)
        memcpy(buffer + *length, from, count);
    *length = wanted;
    return 0;
}

/* Replaces the URI by its text with the edits from *next on that it contains,
 * and sets *next to the first edit after it. */
static int replace_uri(void *message, mp_str raw, mp_str uri, const mp_edits *edits, size_t *next)
{
    size_t start = (size_t)(uri.ptr - raw.ptr), copied = start, end = start + uri.len, length = 0;
    mp_str edited;
    mp_edit edit;

    while (mp_edits_get(edits, *next, &edit) == MP_OK && edit.offset + edit.remove <= end) {
        if (append(&length, raw.ptr + copied, edit.offset - copied) != 0 ||
            append(&length, edit.insert.ptr, edit.insert.len) != 0)
            return -1;
        copied = edit.offset + edit.remove;
        (*next)++;
    }
    if (append(&length, raw.ptr + copied, end - copied) != 0)
        return -1;
    edited.ptr = buffer;
    edited.len = length;
    return mpm_server.replace(message, MPM_CONTACT, start, uri.len, edited);
}

/* A lump for each URI that edits change. On failure *why says the reason. */
static mp_status replace_uris(void *message, mp_str raw, const mp_edits *edits, const char **why)
{
    size_t next = 0;
    mp_edit edit;

    *why = "another module has already changed the Contact";

    while (mp_edits_get(edits, next, &edit) == MP_OK) {
        mp_str uri;
        int found = mpm_server.contact_uri(message, edit.offset, &uri);

        if (found < 0)
            return MP_ERR_EDITS;
        /* The server did not parse it, or its URI ends within the edit. */
        if (found == 0 || edit.offset + edit.remove > (size_t)(uri.ptr - raw.ptr) + uri.len) {
            found = mpm_server.replace(message, MPM_CONTACT, edit.offset, edit.remove, edit.insert);
            next++;
        } else {
            found = replace_uri(message, raw, uri, edits, &next);
        }
        if (found != 0) {
            *why = "cannot add lump to the message";
            return MP_ERR_SYSTEM;
        }
    }
    return MP_OK;
}

int mpm_contact_option(mp_str text, int *first_hop, char error[MPM_ERROR_SIZE])
{
    static const char known[] = "first_hop";

    *first_hop = text.len == sizeof known - 1 && memcmp(text.ptr, known, text.len) == 0;
    if (*first_hop || text.len == 0)
        return 0;
    snprintf(error, MPM_ERROR_SIZE, "fix_contact: \"%.*s\" is not accepted; give first_hop or nothing",
             (int)(text.len < 100 ? text.len : 100), text.ptr);
    return -1;
}

int mpm_fix_contact(void *message, mp_str option)
{
    static const char verb[] = "fix_contact";
    struct mpm_process_state *process;
    struct mpm_message described;
    char error[MPM_ERROR_SIZE];
    const char *why;
    mp_status status;
    int first_hop;

    if (mpm_contact_option(option, &first_hop, error) != 0) {
        mpm_log(MP_LOG_ERROR, "%s", error);
        return MPM_FALSE;
    }
    /* Bytes and source are those of the first call, and so are the edits. */
    if (mpm_server.contact_update(message))
        return MPM_TRUE;
    process = mpm_parsed(message, verb, &described);
    if (process == NULL)
        return MPM_FALSE;
    mp_edits_reset(process->edits);
    mp_options_reset(process->options);
    mp_options_set(process->options, mp_text("first_hop"), mp_text(first_hop ? "yes" : "no"), NULL);
    status = mp_fix_contact_with(process->worker, process->message, process->options,
                                 process->edits);
    if (status < MP_OK)
        return mpm_failed(described.id, verb, status, mp_worker_last_error(process->worker));
    /* The stock modules return false here too. */
    if (status == MP_NO_CONTACT)
        return MPM_FALSE;
    status = replace_uris(message, described.raw, process->edits, &why);
    if (status != MP_OK) {
        mpm_server.remove(message, MPM_CONTACT);
        return mpm_failed(described.id, verb, status, mp_text(why));
    }
    mpm_server.contact_update(message);
    return MPM_TRUE;
}
