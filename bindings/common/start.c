/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the server makes once, before it forks. */
#include <unistd.h>

#include "state.h"

struct mpm_state mpm;

/* The process that made it, which alone takes it down. */
static pid_t maker;

int mpm_start(const struct mpm_server *server, char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    mpm.server = server;
    maker = getpid();
    if (mpm_settings_finish(error) != 0)
        return -1;
    mp_config_set_log(mpm.config, server->log, NULL);
    if (mp_engine_new(mpm.config, &mpm.engine, &why) != MP_OK)
        return mpm_refuse(why, error);
    if (mpm_relay_embedded() && !mpm_disabled())
        return mpm_relay_prepare(error);
    return 0;
}

void mpm_child(void)
{
    if (getpid() == maker)
        return;
    mp_proxy_free(mpm.proxy);
    mpm.proxy = NULL;
}

void mpm_stop(void)
{
    if (getpid() != maker)
        return;
    mp_proxy_free(mpm.proxy);
    mp_engine_free(mpm.engine);
    mp_config_free(mpm.config);
    mpm.proxy = NULL;
    mpm.engine = NULL;
    mpm.config = NULL;
}
