/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* From edits to the server's lumps. */
#include "state.h"

static int make(const struct mpm_message *message, enum mpm_mark mark, const mp_edit *edit)
{
    /* Kamailio and SER abort on what lies beyond the message. */
    if (edit->offset > message->raw.len || edit->remove > message->raw.len - edit->offset) {
        mpm_log(MP_LOG_ERROR, "an edit lies beyond its message; nothing is changed");
        return -1;
    }
    return mpm.server->replace(message->message, mark, edit->offset, edit->remove, edit->insert);
}

int mpm_make_lumps(const struct mpm_message *message, enum mpm_mark mark, const mp_edits *edits)
{
    size_t count = mp_edits_count(edits);
    mp_edit edit;

    mpm.server->forget(message->message, mark);
    for (size_t i = 0; i < count; i++) {
        if (mp_edits_get(edits, i, &edit) != MP_OK || make(message, mark, &edit) != 0) {
            mpm.server->forget(message->message, mark);
            return -1;
        }
    }
    return 0;
}
