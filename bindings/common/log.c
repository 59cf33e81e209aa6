/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lines for the server's log. */
#include <stdarg.h>
#include <stdio.h>

#include "state.h"

void mpm_log(uint32_t level, const char *format, ...)
{
    char line[MPM_ERROR_SIZE];
    mp_str text = { line, 0 };
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    text.len = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    mpm_server.log(NULL, level, text);
}

int mpm_refuse(mp_error *error, char to[MPM_ERROR_SIZE])
{
    mp_str why = mp_error_text(error);

    snprintf(to, MPM_ERROR_SIZE, "%.*s", (int)why.len, why.ptr);
    mp_error_free(error);
    return -1;
}

/* A phone can cause these with any message: they are no errors of the server. A
 * call that has just ended is the usual course of things. */
static uint32_t level_of(mp_status status)
{
    switch (status) {
    case MP_ERR_ENDED:
        return MP_LOG_INFO;
    case MP_ERR_SYNTAX:
    case MP_ERR_LIMIT:
    case MP_ERR_RELAY_ANSWER:
        return MP_LOG_WARNING;
    default:
        return MP_LOG_ERROR;
    }
}

int mpm_failed(uint64_t id, const char *verb, mp_status status, mp_str why)
{
    mpm_note_error(id, verb, why);
    mpm_log(level_of(status), "%s: %.*s", verb, (int)why.len, why.ptr);
    return MPM_FALSE;
}
