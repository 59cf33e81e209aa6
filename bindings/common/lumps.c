/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Edits of the library as lumps of the server. */
#include "state.h"

static int make_lump(void *message, mp_str raw, enum mpm_mark mark, const mp_edit *edit)
{
    /* Kamailio and SER abort for an offset after the end of the message. */
    if (edit->offset > raw.len || edit->remove > raw.len - edit->offset) {
        mpm_log(MP_LOG_ERROR, "an edit reaches beyond its message; the message stays as it was");
        return -1;
    }
    return mpm_server.replace(message, mark, edit->offset, edit->remove, edit->insert);
}

int mpm_make_lumps(void *message, mp_str raw, enum mpm_mark mark, const mp_edits *edits)
{
    size_t count = mp_edits_count(edits);
    mp_edit edit;

    mpm_server.remove(message, mark);
    for (size_t i = 0; i < count; i++) {
        if (mp_edits_get(edits, i, &edit) != MP_OK || make_lump(message, raw, mark, &edit) != 0) {
            mpm_server.remove(message, mark);
            return -1;
        }
    }
    return 0;
}
