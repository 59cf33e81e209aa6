/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Parameters of a module: every setting of the library by its name, and what
 * the stock modules call otherwise. Nothing is taken that would do nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

static int disabled;
static int embedded;
static int address_given;
static int advertised_given;
static int socket_given;
static int relays_given;
/* One of the embedded relay's settings that was given. */
static char proxy_given[32];
/* Milliseconds, 0 when it was not given. */
static unsigned long relay_timeout;
static unsigned long mediaproxy_timeout;
/* The library's own default. */
#define RELAY_TIMEOUT 400

/* Makes the settings with what the stock modules have where nothing is given;
 * what is set by name stays, also when `profile` comes later. */
static int begin(char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    if (mpm.config != NULL)
        return 0;
    mpm.config = mp_config_new();
    if (mp_config_set(mpm.config, mp_text("profile"), mp_text("stock"), &why) != MP_OK)
        return mpm_refuse(why, error);
    return 0;
}

static int set(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    if (begin(error) != 0)
        return -1;
    if (mp_config_set(mpm.config, mp_text(name), mp_text(value), &why) != MP_OK)
        return mpm_refuse(why, error);
    return 0;
}

static int refuse(const char *name, const char *value, const char *form, char error[MPM_ERROR_SIZE])
{
    snprintf(error, MPM_ERROR_SIZE, "%s = \"%s\" is not accepted; give %s", name, value, form);
    return -1;
}

static int set_disable(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return refuse(name, value, "0, or 1 to turn the media functions off", error);
    disabled = *value == '1';
    return 0;
}

/* How long one relay may take. */
static int set_mediaproxy_timeout(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    if (set("relay_try", value, error) != 0)
        return refuse(name, value, "milliseconds from 1 to 60000", error);
    mediaproxy_timeout = strtoul(value, NULL, 10);
    return 0;
}

static int set_natping_interval(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    if (value[0] != '\0' && value[strspn(value, "0")] == '\0')
        return 0;
    return refuse(name, value,
                  "0: this version keeps no registration alive, which nathelper or "
                  "nat_traversal beside it can do", error);
}

static int refuse_keepalive(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    (void)value;
    snprintf(error, MPM_ERROR_SIZE,
             "%s is a parameter of nat_traversal, and this module keeps nothing alive; "
             "load nat_traversal before this module and set it there", name);
    return -1;
}

/* Those that the library does not know by this name. */
static const struct parameter {
    const char *name;
    int (*set)(const char *name, const char *value, char error[MPM_ERROR_SIZE]);
} parameters[] = {
    { "disable", set_disable },
    { "mediaproxy_timeout", set_mediaproxy_timeout },
    { "natping_interval", set_natping_interval },
    { "keepalive_interval", refuse_keepalive },
    { "keepalive_method", refuse_keepalive },
    { "keepalive_from", refuse_keepalive },
    { "keepalive_extra_headers", refuse_keepalive },
    { "keepalive_state_file", refuse_keepalive },
    { "contact_match", refuse_keepalive },
};

const char *mpm_parameter(size_t index)
{
    return index < sizeof parameters / sizeof *parameters ? parameters[index].name : NULL;
}

/* What other parameters hang on. */
static void note(const char *name, const char *value)
{
    static const char inside[] = "embedded";

    if (strcmp(name, "relay") == 0) {
        relays_given = 1;
        embedded |= strncmp(value + strspn(value, " \t"), inside, strlen(inside)) == 0;
    } else if (strcmp(name, "relays") == 0) {
        relays_given |= *value != '\0';
    } else if (strcmp(name, "mediaproxy_socket") == 0) {
        socket_given = 1;
    } else if (strcmp(name, "relay_timeout") == 0) {
        relay_timeout = strtoul(value, NULL, 10);
    } else if (strncmp(name, "proxy_", strlen("proxy_")) == 0) {
        snprintf(proxy_given, sizeof proxy_given, "%s", name);
        address_given |= strcmp(name, "proxy_address") == 0;
        advertised_given |= strcmp(name, "proxy_advertised_address") == 0;
    }
}

int mpm_set(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (strcmp(name, parameters[i].name) == 0)
            return parameters[i].set(name, value, error);
    if (set(name, value, error) != 0)
        return -1;
    note(name, value);
    return 0;
}

int mpm_settings_finish(char error[MPM_ERROR_SIZE])
{
    char text[32];

    if (socket_given && relays_given) {
        snprintf(error, MPM_ERROR_SIZE,
                 "mediaproxy_socket is the relay where no other is given, and relay or relays "
                 "are; give relay = \"mediaproxy:PATH\" in its place");
        return -1;
    }
    if (proxy_given[0] != '\0' && !embedded) {
        snprintf(error, MPM_ERROR_SIZE,
                 "%s is the embedded relay's, and there is none; give relay = \"embedded\" too",
                 proxy_given);
        return -1;
    }
    /* A relay cannot have longer than the whole message. */
    if (relay_timeout == 0 && mediaproxy_timeout > RELAY_TIMEOUT) {
        snprintf(text, sizeof text, "%lu", mediaproxy_timeout);
        return set("relay_timeout", text, error);
    }
    return begin(error);
}

int mpm_relay_embedded(void)
{
    return embedded;
}

int mpm_relay_needs_address(void)
{
    return embedded && !address_given;
}

int mpm_relay_advertises(void)
{
    return advertised_given;
}

int mpm_disabled(void)
{
    return disabled;
}
