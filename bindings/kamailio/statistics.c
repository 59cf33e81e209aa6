/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The group mediaproxy of the server's statistics. */
#include "core/counters.h"

#include "kamailio.h"

static counter_val_t value(counter_handle_t handle, void *index)
{
    (void)handle;
    return (counter_val_t)mpm_number_value((size_t)index);
}

int statistics_init(void)
{
    struct mpm_number number;
    size_t i;

    for (i = 0; mpm_number(i, &number) == 0; i++) {
        if (counter_register(NULL, "mediaproxy", number.name, CNT_F_NO_RESET, value, (void *)i,
                             number.help, 0) < 0) {
            LM_ERR("cannot register the statistic %s\n", number.name);
            return -1;
        }
    }
    return 0;
}
