/* sofia-sip. */
#include "peer.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sdp.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/su.h>

#include <stdlib.h>
#include <string.h>

static unsigned port_of(const char *text)
{
    return text == NULL ? 0 : (unsigned)atoi(text);
}

int peer_start(void)
{
    return su_init();
}

int peer_headers(const char *raw, size_t length, struct seen *seen)
{
    msg_t *message = msg_make(sip_default_mclass(), 0, raw, (ssize_t)length);
    const sip_t *sip = message == NULL ? NULL : sip_object(message);
    int failed = 1;

    if (sip != NULL && !(sip->sip_flags & MSG_FLG_ERROR) &&
        sip->sip_error == NULL && sip->sip_via != NULL &&
        sip->sip_via->v_host != NULL && sip->sip_contact != NULL &&
        sip->sip_contact->m_url->url_host != NULL) {
        seen->via_host_length = (unsigned)strlen(sip->sip_via->v_host);
        seen->via_port = port_of(sip->sip_via->v_port);
        seen->contact_host_length =
            (unsigned)strlen(sip->sip_contact->m_url->url_host);
        seen->contact_port = port_of(sip->sip_contact->m_url->url_port);
        failed = 0;
    }
    msg_destroy(message);
    return failed;
}

int peer_description(const char *text, size_t length, struct seen *seen)
{
    sdp_parser_t *parser = sdp_parse(NULL, text, (issize_t)length, 0);
    const sdp_session_t *session = sdp_session(parser);
    const sdp_media_t *media;
    int failed = 1;

    if (session != NULL) {
        seen->streams = 0;
        for (media = session->sdp_media; media != NULL; media = media->m_next)
            seen->streams++;
        failed = 0;
    }
    sdp_parser_free(parser);
    return failed;
}
