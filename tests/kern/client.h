/* SPDX-License-Identifier: Apache-2.0 */
/* What processes inside a run try. Each returns NULL when it went as it must, else what went wrong.
 */
#pragma once

#include "tests/kern/world.h"

const char *client_v4(struct world *w);
const char *client_v6(struct world *w);
const char *client_mapped(struct world *w);
const char *client_fastopen_message(struct world *w);
const char *client_fastopen_connect(struct world *w);
const char *client_bound_source(struct world *w);
const char *client_fixed_port(struct world *w);
const char *client_accept(struct world *w);
const char *client_bound_device(struct world *w);
const char *client_link_local(struct world *w);
const char *client_ip_options(struct world *w);
const char *client_reconnect(struct world *w);
const char *client_half_open(struct world *w);
const char *client_truth(struct world *w);
const char *client_live(struct world *w);

const char *client_unheard(struct world *w);
const char *client_udp(struct world *w);
const char *client_unix(struct world *w);
const char *client_unix_open(struct world *w);
const char *client_other_sockets(struct world *w);
const char *client_own_port(struct world *w);
const char *client_is_refused(struct world *w);
const char *client_unserved_netns(struct world *w);
const char *client_is_dropped(struct world *w);
const char *client_reaches_real(struct world *w);

/* client_run.c */
const char *client_in_run(struct world *w);
const char *client_listens(struct world *w);
const char *client_meets_enforcer(struct world *w);
const char *client_listed(struct world *w);
const char *client_meets_nobody(struct world *w);
const char *client_resolvers(struct world *w);
const char *client_soak(struct world *w);
const char *client_soak_direct(struct world *w);
const char *client_time_connects(struct world *w);
const char *client_time_real(struct world *w);
