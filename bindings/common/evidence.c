/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the last verbs said, for scripts to log. */
#include <stdio.h>
#include <string.h>

#include "state.h"

#define ROOM 2048

/* The messages last judged, and last failed with. */
static uint64_t judged, failed;
static int was_judged, has_failed;
static char error[MPM_ERROR_SIZE];

void mpm_judged(uint64_t id)
{
    judged = id;
    was_judged = 1;
}

void mpm_said(uint64_t id, const char *verb, mp_str why)
{
    failed = id;
    has_failed = 1;
    snprintf(error, sizeof error, "%s: %.*s", verb, (int)why.len, why.ptr);
}

static mp_verdict *verdict_of(uint64_t id)
{
    struct mpm_process *process = was_judged && judged == id ? mpm_process() : NULL;

    return process != NULL ? process->verdict : NULL;
}

uint32_t mpm_matched(uint64_t id)
{
    return mp_verdict_matched(verdict_of(id));
}

/* Appends what fits, after a separator if something is there. */
static void append(char *to, size_t *length, const char *separator, mp_str text)
{
    size_t gap = *length > 0 ? strlen(separator) : 0;

    if (text.len > ROOM - *length || gap > ROOM - *length - text.len)
        return;
    memcpy(to + *length, separator, gap);
    memcpy(to + *length + gap, text.ptr, text.len);
    *length += gap + text.len;
}

mp_str mpm_matched_names(uint64_t id)
{
    static char names[ROOM];
    mp_verdict *verdict = verdict_of(id);
    mp_str result = { names, 0 };

    for (size_t i = 0; i < mp_verdict_count(verdict); i++)
        append(names, &result.len, ",", mp_test_name(mp_verdict_test(verdict, i)));
    return result;
}

mp_str mpm_evidence(uint64_t id)
{
    static char evidence[ROOM];
    mp_verdict *verdict = verdict_of(id);
    mp_str result = { evidence, 0 };

    for (size_t i = 0; i < mp_verdict_count(verdict); i++)
        append(evidence, &result.len, "; ", mp_verdict_text(verdict, i));
    return result;
}

mp_str mpm_last_error(uint64_t id)
{
    return mp_text(has_failed && failed == id ? error : "");
}
