/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module as Kamailio loads it. */
#include "kamailio.h"

static const struct mpm_server server = {
    .log = log_line,
    .replace = lumps_replace,
    .forget = lumps_forget,
    .contact_uri = contact_uri,
    .contact_update = contact_update,
    .identify = identify,
    .on_idle = processes_on_idle,
};

static int refuse(const char *error)
{
    LM_ERR("%s\n", error);
    return -1;
}

/* Before any process is forked. */
static int mod_init(void)
{
    char error[MPM_ERROR_SIZE];

    if (mpm_relay_needs_address() && !mpm_disabled() && sockets_to_relay(error) != 0)
        return refuse(error);
    if (mpm_start(&server, error) != 0)
        return refuse(error);
    if (avps_init() != 0 || dialog_init() != 0)
        return -1;
    if (statistics_register() != 0)
        return refuse("the statistics cannot be registered");
    return processes_register();
}

static int child_init(int rank)
{
    if (rank == PROC_INIT)
        return 0;
    if (rank == PROC_MAIN)
        return processes_start();
    mpm_child();
    return 0;
}

static void mod_destroy(void)
{
    mpm_stop();
}

/* What the server looks up by name; all else stays within the module. */
#pragma GCC visibility push(default)

MODULE_VERSION

struct module_exports exports = {
    .name = "mediaproxy",
    .dlflags = DEFAULT_DLFLAGS,
    .cmds = functions,
    .params = parameters,
    .rpc_methods = commands,
    .pv_items = pseudo_variables,
    .init_mod_f = mod_init,
    .init_child_f = child_init,
    .destroy_mod_f = mod_destroy,
};

int mod_register(char *path, int *dlflags, void *unused1, void *unused2);

int mod_register(char *path, int *dlflags, void *unused1, void *unused2)
{
    (void)path;
    (void)dlflags;
    (void)unused1;
    (void)unused2;
    return kemi_register();
}

#pragma GCC visibility pop
