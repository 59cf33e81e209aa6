/* libosip2. */
#include "peer.h"

#include <sys/time.h>

#include <osipparser2/osip_message.h>
#include <osipparser2/osip_parser.h>
#include <osipparser2/sdp_message.h>

#include <stdlib.h>
#include <string.h>

static unsigned port_of(const char *text)
{
    return text == NULL ? 0 : (unsigned)atoi(text);
}

int peer_start(void)
{
    return parser_init();
}

int peer_headers(const char *raw, size_t length, struct seen *seen)
{
    osip_message_t *message = NULL;
    osip_via_t *via = NULL;
    osip_contact_t *contact = NULL;
    int failed = 1;

    if (osip_message_init(&message) != 0)
        return 1;
    if (osip_message_parse(message, raw, length) == 0 &&
        osip_message_get_via(message, 0, &via) >= 0 && via->host != NULL &&
        osip_message_get_contact(message, 0, &contact) >= 0 &&
        contact->url != NULL && contact->url->host != NULL) {
        seen->via_host_length = (unsigned)strlen(via->host);
        seen->via_port = port_of(via->port);
        seen->contact_host_length = (unsigned)strlen(contact->url->host);
        seen->contact_port = port_of(contact->url->port);
        failed = 0;
    }
    osip_message_free(message);
    return failed;
}

int peer_description(const char *text, size_t length, struct seen *seen)
{
    sdp_message_t *description = NULL;
    int failed = 1;

    (void)length; /* it stops at the NUL */
    if (sdp_message_init(&description) != 0)
        return 1;
    if (sdp_message_parse(description, text) == 0) {
        seen->streams = (unsigned)osip_list_size(&description->m_medias);
        failed = 0;
    }
    sdp_message_free(description);
    return failed;
}
