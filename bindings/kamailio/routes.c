/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the route that runs says about its message. */
#include "core/route.h"
#include "core/script_cb.h"

#include "kamailio.h"

static cmd_function check_transaction;

static int on_route_end(struct sip_msg *msg, unsigned int flags, void *unused)
{
    (void)flags;
    (void)unused;
    mpm_route_ended(msg);
    return 1;
}

int routes_init(void)
{
    if (module_loaded("tm"))
        check_transaction = find_export("t_check_trans", 0, 0);
    if (register_script_cb(on_route_end, POST_SCRIPT_CB | REQUEST_CB | FAILURE_CB | ONREPLY_CB,
                           NULL) == 0)
        return 0;
    LM_ERR("cannot register a callback for the end of routes\n");
    return -1;
}

/* A transaction that was suspended goes on in this route too, whatever the type
 * of its callbacks. */
int routes_may_go_on(void *message)
{
    (void)message;
    return is_route_type(FAILURE_ROUTE);
}

/* The core's reply route sees the replies to forked requests, and those that go
 * upstream at once because their request was forwarded without a transaction. */
int routes_is_branch(void *message)
{
    if (is_route_type(TM_ONREPLY_ROUTE | BRANCH_ROUTE | BRANCH_FAILURE_ROUTE | ONSEND_ROUTE))
        return 1;
    return is_route_type(CORE_ONREPLY_ROUTE) && check_transaction != NULL &&
           check_transaction(message, NULL, NULL) > 0;
}
