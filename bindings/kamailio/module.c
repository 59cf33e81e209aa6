/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module as Kamailio loads it. */
#include "kamailio.h"

static void options(void *message, struct mpm_options *to)
{
    family_next_hop(message, to);
    family_avps(to);
}

const struct mpm_server mpm_server = {
    .log = family_log,
    .on_idle = processes_on_idle,
    .keepalive_elsewhere = "nathelper or nat_traversal beside it",
    .config_directory = CFG_DIR,
    .describe = family_describe,
    .identify = family_identify,
    .options = options,
    .is_branch = routes_is_branch,
    .may_go_on = routes_may_go_on,
    .replace = family_replace,
    .remove = family_remove,
    .contact_uri = family_contact_uri,
    .contact_update = family_contact_update,
};

/* Before any process is forked. */
static int mod_init(void)
{
    char error[MPM_ERROR_SIZE];

    sockets_init();
    if (mpm_start(error) != 0) {
        LM_ERR("%s\n", error);
        return -1;
    }
    if (routes_init() != 0 || family_avps_init() != 0 || dialog_init() != 0 || statistics_init() != 0)
        return -1;
    return processes_init();
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

/* The symbols that the server looks up by name. */
#pragma GCC visibility push(default)

MODULE_VERSION

struct module_exports exports = {
    .name = "mediaproxy",
    .dlflags = DEFAULT_DLFLAGS,
    .cmds = cmds,
    .params = params,
    .rpc_methods = rpc_cmds,
    .pv_items = pvs,
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
    return kemi_init();
}

#pragma GCC visibility pop
