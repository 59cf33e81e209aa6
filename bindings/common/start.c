/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is made once, before the server forks. */
#include <unistd.h>

#include "state.h"

struct mpm_state mpm;

/* The process that called mpm_start, which alone frees it. */
static pid_t maker;

int mpm_start(char error[MPM_ERROR_SIZE])
{
    mp_error *why = NULL;

    maker = getpid();
    if (mpm_runs_relay() && mpm_address_from_sockets(error) != 0)
        return -1;
    if (mpm_settings_check(error) != 0)
        return -1;
    mp_config_set_log(mpm.config, mpm_server.log, NULL);
    if (mp_engine_new(mpm.config, &mpm.engine, &why) != MP_OK)
        return mpm_refuse(why, error);
    return mpm_runs_relay() ? mpm_relay_prepare(error) : 0;
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
    mpm_free_process_state();
    mpm_free_keeper();
    mpm_child();
    if (getpid() != maker)
        return;
    mp_proxy_free(mpm.proxy);
    mp_engine_free(mpm.engine);
    mp_config_free(mpm.config);
    mpm.proxy = NULL;
    mpm.engine = NULL;
    mpm.config = NULL;
}
