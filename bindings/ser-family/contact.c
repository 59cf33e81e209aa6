/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's parsed Contact, which registrar and dialogs read. Its URI is made
 * to point at the text of the lump, which lives as long as the message.
 */
#include "family.h"

/* The next header field Contact from `field` on that can be parsed, or NULL. */
static struct hdr_field *contact_field(struct hdr_field *field)
{
    while (field != NULL && (field->type != HDR_CONTACT_T || parse_contact(field) < 0))
        field = field->next;
    return field;
}

/* The parsed Contact whose URI contains `wanted`, or NULL. *moved: the URI of
 * another one does not point into the message. */
static contact_t *contact_at(struct sip_msg *msg, const char *wanted, int *moved)
{
    struct hdr_field *field;
    contact_t *contact;

    *moved = 0;
    /* The first Contact is not the last one. */
    if (parse_headers(msg, HDR_EOH_F, 0) < 0 || msg->contact == NULL)
        return NULL;
    for (field = contact_field(msg->contact); field != NULL; field = contact_field(field->next)) {
        for (contact = ((contact_body_t *)field->parsed)->contacts; contact != NULL;
             contact = contact->next) {
            if (wanted >= contact->uri.s && wanted < contact->uri.s + contact->uri.len)
                return contact;
            if (contact->uri.s < msg->buf || contact->uri.s >= msg->buf + msg->len)
                *moved = 1;
        }
    }
    return NULL;
}

int family_contact_uri(void *message, size_t offset, mp_str *uri)
{
    struct sip_msg *msg = message;
    int moved;
    contact_t *contact = contact_at(msg, msg->buf + offset, &moved);

    if (contact == NULL)
        return moved ? -1 : 0;
    *uri = family_text(contact->uri);
    return 1;
}

int family_contact_update(void *message)
{
    struct sip_msg *msg = message;
    struct lump *lump = family_contact_lump(msg->add_rm);
    contact_t *contact;
    int moved;

    if (lump == NULL)
        return 0;
    /* A copy of the message is parsed again, and its Contacts are the original
     * ones; otherwise they point at the texts already. */
    for (; lump != NULL; lump = family_contact_lump(lump->next)) {
        contact = contact_at(msg, msg->buf + lump->u.offset, &moved);
        if (contact != NULL && lump->op == LUMP_DEL && lump->after != NULL &&
            contact->uri.s == msg->buf + lump->u.offset && contact->uri.len == (int)lump->len) {
            contact->uri.s = lump->after->u.value;
            contact->uri.len = (int)lump->after->len;
        }
    }
    return 1;
}
