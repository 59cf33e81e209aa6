/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What an operator asks and orders: relays, counters, files. */
#include <string.h>

#include "state.h"

int mpm_relays(mpm_relay_visit visit, void *arg, char error[MPM_ERROR_SIZE])
{
    mp_relay_list *list = NULL;
    mp_error *why = NULL;
    mp_relay relay;

    if (mp_relay_list_new(mpm.engine, &list, &why) != MP_OK)
        return mpm_refuse(why, error);
    for (size_t i = 0; i < mp_relay_list_count(list); i++)
        if (mp_relay_list_get(list, i, &relay, sizeof relay) == MP_OK)
            visit(arg, &relay);
    mp_relay_list_free(list);
    return 0;
}

const char *mpm_condition_name(uint32_t condition)
{
    switch (condition) {
    case MP_RELAY_UP:
        return "up";
    case MP_RELAY_SUSPECT:
        return "suspect";
    case MP_RELAY_DEAD:
        return "dead";
    case MP_RELAY_UNREACHABLE:
        return "away";
    default:
        return "unknown";
    }
}

const char *mpm_order_name(uint32_t order)
{
    switch (order) {
    case MP_RELAY_ENABLED:
        return "enabled";
    case MP_RELAY_DRAINING:
        return "draining";
    case MP_RELAY_DISABLED:
        return "disabled";
    default:
        return "unknown";
    }
}

int mpm_order_relay(enum mpm_order order, mp_str uri, char error[MPM_ERROR_SIZE])
{
    static mp_status (*const orders[])(const mp_engine *, mp_str, mp_error **) = {
        [MPM_DRAIN] = mp_relay_drain,
        [MPM_ENABLE] = mp_relay_enable,
        [MPM_DISABLE] = mp_relay_disable,
    };
    mp_error *why = NULL;

    if (orders[order](mpm.engine, uri, &why) != MP_OK)
        return mpm_refuse(why, error);
    return 0;
}

int mpm_reload(void)
{
    return mp_engine_reload(mpm.engine) == MP_OK ? 0 : -1;
}
