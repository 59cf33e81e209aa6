/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Phones reach the embedded relay where they reach the server: on the first
 * address of each family that the server listens on, and by the address that it
 * advertises there.
 */
#include <stdio.h>

#include "state.h"

/* The longest text of an IP address in brackets, and a NUL. */
#define ADDRESS_SIZE 64

static struct candidate {
    char address[ADDRESS_SIZE];
    /* Empty when the server advertises no address, or a name, which is for SIP
     * only. */
    char advertised[ADDRESS_SIZE];
    int is_loopback;
} candidates[2];

void mpm_socket(mp_str address, int is_loopback, mp_str advertised)
{
    struct candidate *candidate;
    mp_address parsed, other;

    if (address.len >= ADDRESS_SIZE || mp_address_parse(address, 0, &parsed) != MP_OK)
        return;
    candidate = &candidates[parsed.family == 6];
    /* Only an address that is not loopback is better than the first one. */
    if (candidate->address[0] != '\0' && (!candidate->is_loopback || is_loopback))
        return;
    snprintf(candidate->address, ADDRESS_SIZE, "%.*s", (int)address.len, address.ptr);
    candidate->is_loopback = is_loopback;
    candidate->advertised[0] = '\0';
    if (advertised.len < ADDRESS_SIZE && mp_address_parse(advertised, 0, &other) == MP_OK)
        snprintf(candidate->advertised, ADDRESS_SIZE, "%.*s", (int)advertised.len, advertised.ptr);
}

static int set(const char *parameter, const char *address, char error[MPM_ERROR_SIZE])
{
    if (address[0] == '\0')
        return 0;
    mpm_log(MP_LOG_INFO, "%s of the embedded relay: %s", parameter, address);
    return mpm_set(parameter, address, error);
}

int mpm_address_from_sockets(char error[MPM_ERROR_SIZE])
{
    int advertise = !mpm_has_value("proxy_advertised_address");

    if (mpm_has_value("proxy_address"))
        return 0;
    if (candidates[0].address[0] == '\0' && candidates[1].address[0] == '\0') {
        snprintf(error, MPM_ERROR_SIZE,
                 "relay = embedded: the server listens on no address that can receive media; "
                 "give proxy_address, the IP address phones send media to");
        return -1;
    }
    for (size_t i = 0; i < 2; i++)
        if (set("proxy_address", candidates[i].address, error) != 0 ||
            (advertise && set("proxy_advertised_address", candidates[i].advertised, error) != 0))
            return -1;
    return 0;
}
