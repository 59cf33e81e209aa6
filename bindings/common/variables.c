/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* $mediaproxy(NAME): what the last verbs of this process found out about the
 * message, and which client lists its sender is on. */
#include <stdio.h>
#include <string.h>

#include "state.h"

enum { MATCHED, TESTS, EVIDENCE, ERROR, SIP_ASYMMETRIC, RTP_ASYMMETRIC, COUNT };

static const char *const names[COUNT] = {
    /* The tests that matched, as a number. */
    [MATCHED] = "matched",
    /* The same by name. */
    [TESTS] = "tests",
    /* Why they matched. */
    [EVIDENCE] = "evidence",
    /* Why the last verb failed. */
    [ERROR] = "error",
    /* 1 when the sender is on the client list, else 0. */
    [SIP_ASYMMETRIC] = "sip_asymmetric",
    [RTP_ASYMMETRIC] = "rtp_asymmetric",
};

/* The messages of the last verdict and of the last error. */
static uint64_t verdict_id, error_id;
static int has_verdict, has_error;
static char error_text[MPM_ERROR_SIZE];

void mpm_note_verdict(uint64_t id)
{
    verdict_id = id;
    has_verdict = 1;
}

void mpm_note_error(uint64_t id, const char *verb, mp_str why)
{
    error_id = id;
    has_error = 1;
    snprintf(error_text, sizeof error_text, "%s: %.*s", verb, (int)why.len, why.ptr);
}

static mp_verdict *verdict_of(uint64_t id)
{
    struct mpm_process_state *process =
        has_verdict && verdict_id == id ? mpm_process_state() : NULL;

    return process != NULL ? process->verdict : NULL;
}

#define JOINED_SIZE 2048

/* Writes one text of each match to `joined`, with separators between them; what
 * does not fit is left out. */
static mp_str join(char joined[JOINED_SIZE], mp_verdict *verdict,
                   mp_str (*of)(mp_verdict *, size_t), const char *separator)
{
    mp_str result = { joined, 0 };

    for (size_t i = 0; i < mp_verdict_count(verdict); i++) {
        mp_str text = of(verdict, i);
        size_t gap = result.len > 0 ? strlen(separator) : 0;

        if (gap + text.len > JOINED_SIZE - result.len)
            continue;
        memcpy(joined + result.len, separator, gap);
        memcpy(joined + result.len + gap, text.ptr, text.len);
        result.len += gap + text.len;
    }
    return result;
}

static mp_str name_of(mp_verdict *verdict, size_t index)
{
    return mp_test_name(mp_verdict_test(verdict, index));
}

int mpm_variable(mp_str name, char error[MPM_ERROR_SIZE])
{
    int length = snprintf(error, MPM_ERROR_SIZE, "$mediaproxy(%.*s) is not accepted; give ",
                          (int)(name.len < 100 ? name.len : 100), name.len > 0 ? name.ptr : "");

    for (int i = 0; i < COUNT; i++) {
        if (name.len == strlen(names[i]) && memcmp(name.ptr, names[i], name.len) == 0)
            return i;
        length += snprintf(error + length, MPM_ERROR_SIZE - (size_t)length, "%s%s", names[i],
                           i + 2 < COUNT ? ", " : i + 1 < COUNT ? " or " : "");
    }
    return -1;
}

void mpm_variable_get(int variable, void *message, struct mpm_value *value)
{
    static const struct mpm_value none;
    static char tests[JOINED_SIZE], evidence[JOINED_SIZE];
    struct mpm_message described;

    mpm_server.describe(message, &described);
    *value = none;
    value->kind = MPM_VALUE_NUMBER;
    switch (variable) {
    case MATCHED:
        value->number = mp_verdict_matched(verdict_of(described.id));
        return;
    case SIP_ASYMMETRIC:
        value->number = (mpm_client_lists(message) & MP_ASYMMETRIC_SIP) != 0;
        return;
    case RTP_ASYMMETRIC:
        value->number = (mpm_client_lists(message) & MP_ASYMMETRIC_RTP) != 0;
        return;
    case TESTS:
        value->text = join(tests, verdict_of(described.id), name_of, ",");
        break;
    case EVIDENCE:
        value->text = join(evidence, verdict_of(described.id), mp_verdict_text, "; ");
        break;
    default:
        if (has_error && error_id == described.id)
            value->text = mp_text(error_text);
        break;
    }
    value->kind = value->text.len > 0 ? MPM_VALUE_TEXT : MPM_VALUE_NONE;
}
