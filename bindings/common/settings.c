/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The parameters of a module: every setting of the library by its name, and the
 * parameters of the stock modules that have other names. A parameter that would
 * have no effect is an error.
 */
#include <stdio.h>
#include <string.h>

#include "state.h"

static int disabled;
/* A parameter relay names the embedded relay. */
static int embedded;
/* One of the embedded relay's settings that was given. */
static char proxy_setting[32];

/* A setting that was given stays, also when `profile` comes later. */
int mpm_settings_begin(char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    if (mpm.config != NULL)
        return 0;
    mpm.config = mp_config_new();
    if (mp_config_set(mpm.config, mp_text("profile"), mp_text("stock"), &why) != MP_OK ||
        mp_config_set(mpm.config, mp_text("config_directory"),
                      mp_text(mpm_server.config_directory), &why) != MP_OK)
        return mpm_refuse(why, error);
    return 0;
}

static int set(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    if (mpm_settings_begin(error) != 0)
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

/* The time for one relay. */
static int set_mediaproxy_timeout(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    if (set("relay_try", value, error) != 0)
        return refuse(name, value, "milliseconds from 1 to 60000", error);
    return 0;
}

static int set_natping_interval(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    char form[128];

    if (value[0] != '\0' && value[strspn(value, "0")] == '\0')
        return 0;
    snprintf(form, sizeof form, "0: this version keeps no registration alive, which %s can do",
             mpm_server.keepalive_elsewhere);
    return refuse(name, value, form, error);
}

#define AVP_SIZE 128
#define AVP_DEFAULT(name) { #name "_avp", "$avp(" #name ")" },

static struct avp {
    const char *parameter;
    char text[AVP_SIZE];
} avps[] = { MPM_AVPS(AVP_DEFAULT, ) };

static struct avp *avp_of(const char *parameter)
{
    for (size_t i = 0; i < sizeof avps / sizeof *avps; i++)
        if (strcmp(avps[i].parameter, parameter) == 0)
            return &avps[i];
    return NULL;
}

static int set_avp(const char *name, const char *value, char error[MPM_ERROR_SIZE])
{
    struct avp *avp = avp_of(name);

    if (value[0] == '\0' || strlen(value) >= AVP_SIZE)
        return refuse(name, value, "an AVP, as $avp(name)", error);
    snprintf(avp->text, AVP_SIZE, "%s", value);
    return 0;
}

const char *mpm_avp(const char *parameter)
{
    struct avp *avp = avp_of(parameter);

    return avp != NULL ? avp->text : NULL;
}

/* The parameters that are no settings of the library. */
static const struct parameter {
    const char *name;
    int (*set)(const char *name, const char *value, char error[MPM_ERROR_SIZE]);
} parameters[] = {
    { "disable", set_disable },
    { "mediaproxy_timeout", set_mediaproxy_timeout },
    { "natping_interval", set_natping_interval },
    { "signaling_ip_avp", set_avp },
    { "media_relay_avp", set_avp },
    { "ice_candidate_avp", set_avp },
};

/* Keeps what mpm_settings_check and mpm_runs_relay must know. */
static void note(const char *name, const char *value)
{
    static const char inside[] = "embedded";

    if (strcmp(name, "relay") == 0)
        embedded |= strncmp(value + strspn(value, " \t"), inside, strlen(inside)) == 0;
    if (strncmp(name, "proxy_", strlen("proxy_")) == 0)
        snprintf(proxy_setting, sizeof proxy_setting, "%s", name);
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

int mpm_settings_check(char error[MPM_ERROR_SIZE])
{
    if (mpm_settings_begin(error) != 0)
        return -1;
    /* The library accepts them beside a relays file, which may name a relay
     * "embedded"; but it is the parameter that has the module run one. */
    if (proxy_setting[0] == '\0' || embedded)
        return 0;
    snprintf(error, MPM_ERROR_SIZE,
             "%s belongs to the embedded relay, which no parameter relay names; remove it, or "
             "give relay = \"embedded\" too",
             proxy_setting);
    return -1;
}

int mpm_runs_relay(void)
{
    return embedded && !disabled;
}

int mpm_has_value(const char *name)
{
    size_t length = 0;

    return mpm.config != NULL &&
           mp_config_get(mpm.config, mp_text(name), NULL, 0, &length, NULL) ==
               MP_ERR_BUFFER_TOO_SMALL;
}

int mpm_disabled(void)
{
    return disabled;
}
