/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of a message, as lumps. Each bears its verb's mark in the field for
 * the type of header, which the server copies with the lump and looks at for
 * its own headers only.
 *
 * A message may come back in another route as a copy. Then a lump is one of
 * - LUMPFLAG_SHMEM: within the one block of shared memory that holds the whole
 *   copied request; it is taken off the list and goes with that block.
 * - LUMPFLAG_DUPED: a copy for one branch, whose text still belongs to the
 *   lump it was copied from.
 * - neither: it and its text are this message's own.
 */
#include <string.h>

#include "core/data_lump.h"

#include "kamailio.h"

/* No type of header of the server's. */
static const int types[] = {
    [MPM_CONTACT] = 0x4d500001,
    [MPM_SDP] = 0x4d500002,
};

static enum _hdr_types_t type_of(enum mpm_mark mark)
{
    return (enum _hdr_types_t)types[mark];
}

static void give_back(struct lump *lump)
{
    if (lump->flags & LUMPFLAG_SHMEM)
        return;
    if (!(lump->flags & LUMPFLAG_DUPED) && lump->op == LUMP_ADD)
        pkg_free(lump->u.value);
    pkg_free(lump);
}

static void forget_in(struct lump **place, enum _hdr_types_t type)
{
    struct lump *lump, *added, *next;

    while ((lump = *place) != NULL) {
        if (lump->type != type) {
            place = &lump->next;
            continue;
        }
        *place = lump->next;
        for (added = lump->before; added != NULL; added = next) {
            next = added->before;
            give_back(added);
        }
        for (added = lump->after; added != NULL; added = next) {
            next = added->after;
            give_back(added);
        }
        give_back(lump);
    }
}

void lumps_forget(void *message, enum mpm_mark mark)
{
    struct sip_msg *msg = message;

    forget_in(&msg->add_rm, type_of(mark));
    forget_in(&msg->body_lumps, type_of(mark));
}

int lumps_replace(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text)
{
    struct sip_msg *msg = message;
    enum _hdr_types_t type = type_of(mark);
    struct lump *anchor;
    char *copy = NULL;

    /* Without the end of the headers a lump for the body is put among those
     * for the headers, and Content-Length stays wrong. */
    if (mark == MPM_SDP && (parse_headers(msg, HDR_EOH_F, 0) < 0 || msg->eoh == NULL))
        return -1;
    if (text.len > 0) {
        copy = pkg_malloc(text.len);
        if (copy == NULL) {
            PKG_MEM_ERROR;
            return -1;
        }
        memcpy(copy, text.ptr, text.len);
    }
    if (remove > 0)
        anchor = del_lump(msg, (int)offset, (int)remove, type);
    else
        anchor = anchor_lump(msg, (int)offset, 0, type);
    if (anchor != NULL &&
        (copy == NULL || insert_new_lump_after(anchor, copy, (int)text.len, type) != NULL))
        return 0;
    if (copy != NULL)
        pkg_free(copy);
    return -1;
}

struct lump *lumps_contact(struct sip_msg *msg)
{
    struct lump *lump = msg->add_rm;

    while (lump != NULL && lump->type != type_of(MPM_CONTACT))
        lump = lump->next;
    return lump;
}
