/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the route that runs says about its message. */
#include "core/route.h"

#include "kamailio.h"

static cmd_function check_transaction;

void routes_init(void)
{
    if (module_loaded("tm"))
        check_transaction = find_export("t_check_trans", 0, 0);
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
