/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines of the library and of the common part in the server's log. */
#include "family.h"

void family_log(void *arg, uint32_t level, mp_str text)
{
    int length = (int)text.len;

    (void)arg;
    switch (level) {
    case MP_LOG_ERROR:
        LM_ERR("%.*s\n", length, text.ptr);
        break;
    case MP_LOG_WARNING:
        LM_WARN("%.*s\n", length, text.ptr);
        break;
    case MP_LOG_INFO:
        LM_INFO("%.*s\n", length, text.ptr);
        break;
    default:
        LM_DBG("%.*s\n", length, text.ptr);
        break;
    }
}
