/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "module_nat.h"

struct mpm_value value_of(const char *name, struct message *message)
{
    char error[MPM_ERROR_SIZE];
    struct mpm_value value;
    int variable = mpm_variable(mp_text(name), error);

    CHECK(variable >= 0);
    mpm_variable_get(variable, message, &value);
    return value;
}

void nat_tests(void)
{
    char error[MPM_ERROR_SIZE];
    struct message message;

    receive(&message, OFFER, 1);
    CHECK(value_of("tests", &message).kind == MPM_VALUE_NONE);
    CHECK(mpm_client_nat_test(&message, mp_text("private_contact,websocket")) == MPM_TRUE);
    CHECK(value_of("matched", &message).number == MP_TEST_PRIVATE_CONTACT);
    CHECK(same(value_of("tests", &message).text, "private_contact"));
    CHECK(holds(value_of("evidence", &message).text, "192.168.1.10"));
    CHECK(value_of("error", &message).kind == MPM_VALUE_NONE);
    CHECK(value_of("sip_asymmetric", &message).number == 0);
    CHECK(value_of("rtp_asymmetric", &message).number == 0);
    CHECK(mpm_client_nat_test(&message, mp_text("websocket")) == MPM_FALSE);
    CHECK(mpm_client_nat_test(&message, mp_text("moon_phase")) == MPM_FALSE);
    CHECK(strstr(last_line, "moon_phase") != NULL);
    CHECK(mpm_variable(mp_text("moon"), error) == -1);
    CHECK(strstr(error, "sip_asymmetric or rtp_asymmetric") != NULL);
    /* Nothing is known of another message. */
    receive(&message, OFFER, 1);
    CHECK(value_of("matched", &message).number == 0);
}

void contacts(void)
{
    static const char fixed[] = "sip:user@127.0.0.2:40000";
    struct message message;

    receive(&message, OFFER, 2);
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(count_lumps(&message, MPM_CONTACT) == 1 && same(message.contacts[0], fixed));
    /* A second call, also after the server has parsed its Contact again. */
    message.contacts[0].ptr = strstr(message.bytes.bytes, "sip:user@192");
    message.contacts[0].len = strlen("sip:user@192.168.1.10:5060");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(count_lumps(&message, MPM_CONTACT) == 1 && same(message.contacts[0], fixed));
    CHECK(strstr(outgoing(&message), "Contact: <sip:user@127.0.0.2:40000>\r\n") != NULL);

    receive(&message, OFFER, 2);
    message.contacts[0] = mp_text("sip:elsewhere");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_FALSE && message.lump_count == 0);
    CHECK(holds(value_of("error", &message).text, "another module"));
    /* The server did not parse it. */
    receive(&message, OFFER, 2);
    message.contacts[0] = mp_text("");
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
    CHECK(strstr(outgoing(&message), "Contact: <sip:user@127.0.0.2:40000>\r\n") != NULL);

    receive(&message, OFFER, 2);
    no_memory = 1;
    CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_FALSE && message.lump_count == 0);
    CHECK(holds(value_of("error", &message).text, "cannot add lump to the message"));
    no_memory = 0;
}

/* The server parsed this message, with the Contacts at these URIs. */
static void receive_text(struct message *to, const char *text, const char *const uris[3])
{
    receive(to, OFFER, 2);
    to->bytes.length = strlen(text);
    CHECK(to->bytes.length < sizeof to->bytes.bytes);
    memcpy(to->bytes.bytes, text, to->bytes.length + 1);
    for (size_t i = 0; i < 3; i++) {
        to->contacts[i] = mp_text(uris[i]);
        if (uris[i] != NULL)
            to->contacts[i].ptr = strstr(to->bytes.bytes, uris[i]);
    }
}

#define VIA "Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\n"

/* The URI of the Contact that adds a binding gets one lump, and the server sees
 * it; the other Contacts stay. */
void several_contacts(void)
{
    static const char text[] =
        "REGISTER sip:example.com SIP/2.0\r\n" VIA
        "Contact: <sip:old@10.0.0.7>;expires=0, <sip:a@192.168.1.10;maddr=10.0.0.1;x=y>\r\n"
        "m: <sip:b@192.168.1.10:5060>\r\nContent-Length: 0\r\n\r\n";
    static const char *const uris[3] = { "sip:old@10.0.0.7", "sip:a@192.168.1.10;maddr=10.0.0.1;x=y",
                                         "sip:b@192.168.1.10:5060" };
    struct message message;

    for (int unparsed = 0; unparsed < 2; unparsed++) {
        receive_text(&message, text, uris);
        if (unparsed)
            message.contacts[1] = mp_text(NULL);
        CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
        CHECK(strstr(outgoing(&message),
                     "Contact: <sip:old@10.0.0.7>;expires=0, <sip:a@127.0.0.2:40000;x=y>\r\n"
                     "m: <sip:b@192.168.1.10:5060>\r\nContent-Length: 0\r\n") != NULL);
        CHECK(same(message.contacts[0], uris[0]));
        CHECK(unparsed || same(message.contacts[1], "sip:a@127.0.0.2:40000;x=y"));
        CHECK(same(message.contacts[2], uris[2]));
        CHECK(count_lumps(&message, MPM_CONTACT) == (unparsed ? 2 : 1));
        CHECK(mpm_fix_contact(&message, mp_text(NULL)) == MPM_TRUE);
        CHECK(count_lumps(&message, MPM_CONTACT) == (unparsed ? 2 : 1));
    }
}

void first_hop(void)
{
    static const char direct[] = "INVITE sip:b@example.com SIP/2.0\r\n" VIA
                                 "Contact: <sip:a@192.168.1.10>\r\n\r\n";
    static const char proxied[] = "INVITE sip:b@example.com SIP/2.0\r\n" VIA VIA
                                  "Contact: <sip:a@192.168.1.10>\r\n\r\n";
    static const char *const uris[3] = { "sip:a@192.168.1.10", NULL, NULL };
    struct message message;

    receive_text(&message, direct, uris);
    CHECK(mpm_client_nat_test(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(same(value_of("tests", &message).text, "first_hop"));
    CHECK(mpm_fix_contact(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(same(message.contacts[0], "sip:a@127.0.0.2:40000"));
    receive_text(&message, proxied, uris);
    CHECK(mpm_client_nat_test(&message, mp_text("8192")) == MPM_FALSE);
    CHECK(mpm_fix_contact(&message, mp_text("first_hop")) == MPM_TRUE);
    CHECK(message.lump_count == 0 && same(message.contacts[0], uris[0]));
    CHECK(mpm_fix_contact(&message, mp_text("")) == MPM_TRUE && message.lump_count == 1);
    receive_text(&message, direct, uris);
    CHECK(mpm_fix_contact(&message, mp_text("second_hop")) == MPM_FALSE);
    CHECK(message.lump_count == 0 && strstr(last_line, "second_hop") != NULL);
}
