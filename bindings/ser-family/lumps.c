/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of a message, as lumps. The field for the type of header has the mark
 * of the verb: the server copies it with the lump and reads it for its own
 * headers only.
 *
 * A message may come back in another route as a copy. Then a lump is one of
 * - LUMPFLAG_SHMEM: within the one block of shared memory that holds the copied
 *   request. It is taken off the list and freed with that block.
 * - LUMPFLAG_DUPED: a copy for one branch, whose text belongs to the lump it was
 *   copied from. Servers without this flag copy the text too.
 * - neither: lump and text are this message's own.
 */
#include <string.h>

#include "family.h"

/* Types that no header of the server has. */
static const int types[] = { 0x4d500001, 0x4d500002 };

static family_lump_type type_of(enum mpm_mark mark)
{
    return (family_lump_type)types[mark];
}

static void free_one(struct lump *lump)
{
    if (lump->flags & LUMPFLAG_SHMEM)
        return;
    if (!family_lump_shares_text(lump) && lump->op == LUMP_ADD)
        pkg_free(lump->u.value);
    pkg_free(lump);
}

static void forget_in(struct lump **place, family_lump_type type)
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
            free_one(added);
        }
        for (added = lump->after; added != NULL; added = next) {
            next = added->after;
            free_one(added);
        }
        free_one(lump);
    }
}

void family_remove(void *message, enum mpm_mark mark)
{
    struct sip_msg *msg = message;

    forget_in(&msg->add_rm, type_of(mark));
    forget_in(&msg->body_lumps, type_of(mark));
}

int family_replace(void *message, enum mpm_mark mark, size_t offset, size_t remove, mp_str text)
{
    struct sip_msg *msg = message;
    family_lump_type type = type_of(mark);
    struct lump *anchor;
    char *copy = NULL;

    /* Before the end of the headers is known, the server puts a lump for the
     * body among those for the headers, and Content-Length stays wrong. */
    if (mark == MPM_SDP && (parse_headers(msg, HDR_EOH_F, 0) < 0 || msg->eoh == NULL))
        return -1;
    if (text.len > 0) {
        copy = pkg_malloc(text.len);
        if (copy == NULL) {
            LM_ERR("no package memory for a lump\n");
            return -1;
        }
        memcpy(copy, text.ptr, text.len);
    }
    if (remove > 0)
        anchor = del_lump(msg, (int)offset, (int)remove, type);
    else
        anchor = family_anchor_lump(msg, (int)offset, type);
    if (anchor != NULL &&
        (copy == NULL || insert_new_lump_after(anchor, copy, (int)text.len, type) != NULL))
        return 0;
    if (copy != NULL)
        pkg_free(copy);
    return -1;
}

struct lump *family_contact_lump(struct lump *lump)
{
    while (lump != NULL && lump->type != type_of(MPM_CONTACT))
        lump = lump->next;
    return lump;
}
