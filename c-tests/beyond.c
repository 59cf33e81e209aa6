/* Gives the library a length of one byte more than the buffer has. A tool that
 * watches memory must report it. A tool that does not report it does not see
 * the library, and proves nothing elsewhere. */
#include "check.h"

int main(void)
{
    const char text[] = "OPTIONS sip:a@example.com SIP/2.0\r\nSubject: x";
    mp_message *message = mp_message_new();
    mp_engine *engine = engine_of(quiet_config());
    mp_worker *worker = worker_of(engine);
    mp_edits *edits = mp_edits_new();
    mp_address source = address_of("203.0.113.5", 5060);
    mp_str raw;
    char *buffer = (char *)malloc(sizeof text - 1);

    CHECK(buffer != NULL);
    memcpy(buffer, text, sizeof text - 1);
    raw.ptr = buffer;
    raw.len = sizeof text;
    STATUS(MP_OK, mp_message_parse(message, raw, &source, NULL,
                                   MP_TRANSPORT_UDP));
    /* Searches all headers for a Contact. */
    (void)mp_fix_contact(worker, message, edits);
    free(buffer);
    return 0;
}
