/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The argument of client_nat_test. */
#include <stdio.h>
#include <string.h>

#include "state.h"

/* The text that was read last: a script passes the same one each time. */
static char last[256];
static size_t last_length;
static uint32_t last_tests;

int mpm_tests(mp_str text, uint32_t *tests, char error[MPM_ERROR_SIZE])
{
    if (last_tests != 0 && text.len == last_length && memcmp(text.ptr, last, text.len) == 0) {
        *tests = last_tests;
        return 0;
    }
    if (mp_tests_parse(text, tests) != MP_OK) {
        snprintf(error, MPM_ERROR_SIZE,
                 "client_nat_test: \"%.*s\" is not accepted; give a sum of numbers (1 "
                 "private_contact, 2 source_address, 4 private_via, 8 private_sdp, 16 "
                 "source_port), or names separated by commas (those, source_contact, "
                 "contact_port, private_source, source_sdp, websocket, first_hop)",
                 (int)(text.len < 100 ? text.len : 100), text.len > 0 ? text.ptr : "");
        return -1;
    }
    if (text.len <= sizeof last) {
        memcpy(last, text.ptr, text.len);
        last_length = text.len;
        last_tests = *tests;
    }
    return 0;
}
