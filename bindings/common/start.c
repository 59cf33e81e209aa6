/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the server makes once, before it forks. */
#include <unistd.h>

#include "state.h"

struct glue_state glue;

/* The process that made it, which alone takes it down. */
static pid_t maker;

int glue_start(const struct glue_server *server, char error[GLUE_ERROR_ROOM])
{
    mp_error *why = NULL;

    glue.server = server;
    maker = getpid();
    if (glue_settings_finish(error) != 0)
        return -1;
    mp_config_set_log(glue.config, server->log, NULL);
    if (mp_engine_new(glue.config, &glue.engine, &why) != MP_OK)
        return glue_refuse(why, error);
    if (glue_relay_embedded() && !glue_disabled())
        return glue_relay_prepare(error);
    return 0;
}

void glue_child(void)
{
    if (getpid() == maker)
        return;
    mp_proxy_free(glue.proxy);
    glue.proxy = NULL;
}

void glue_stop(void)
{
    if (getpid() != maker)
        return;
    mp_proxy_free(glue.proxy);
    mp_engine_free(glue.engine);
    mp_config_free(glue.config);
    glue.proxy = NULL;
    glue.engine = NULL;
    glue.config = NULL;
}
