/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/run_netns.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern/netns.h"
#include "kern/place.h"
#include "util/log.h"

static bool netns_is_known(const struct run *run, uint64_t cookie)
{
	for (unsigned i = 0; i < run->n_netns; i++)
		if (run->netns[i] == cookie)
			return true;
	return false;
}

struct netns_gathering {
	struct run *run;
	bool is_again, has_new;
	int (*serve)(void *arg, const struct run *run, int ns_fd, uint64_t cookie);
	void *arg;
};

static void netns_gather_one(struct netns_gathering *g, int ns_fd)
{
	struct run *run = g->run;
	uint64_t cookie;
	bool is_known;

	if (netns_cookie(ns_fd, &cookie)) {
		run->n_netns_refused++;
		return;
	}
	is_known = netns_is_known(run, cookie);
	if (is_known != g->is_again)
		return;
	if ((!is_known && run->n_netns == RUN_NETNS_MAX) || g->serve(g->arg, run, ns_fd, cookie)) {
		run->n_netns_refused++;
		return;
	}
	if (!is_known) {
		run->netns[run->n_netns++] = cookie;
		g->has_new = true;
	}
}

void run_netns_gather(const struct run_config *config, struct run *run, const char *group,
	bool is_again, int (*serve)(void *arg, const struct run *run, int ns_fd, uint64_t cookie),
	void *arg)
{
	struct netns_gathering g = {.run = run, .is_again = is_again, .serve = serve, .arg = arg};
	struct place_nets nets;
	int r = place_nets(group, &nets);

	if (r)
		log_error("run.netns", "id=%" PRIu64 " errno=%d", run->id, -r);
	run->n_netns_refused = nets.n_more;
	for (unsigned i = 0; i < nets.n; i++)
		netns_gather_one(&g, nets.v[i].fd);
	place_nets_close(&nets);
	/* Not remembered is not served by the next daemon: refused, and no worse. */
	if (g.has_new && run_remember(config, run))
		log_error("run.netns", "id=%" PRIu64 " remembered=0", run->id);
}

bool run_netns_parse(struct run *run, const char *text)
{
	while (*text) {
		char *end;

		if (*text < '0' || *text > '9' || run->n_netns == RUN_NETNS_MAX)
			return false;
		errno = 0;
		run->netns[run->n_netns++] = strtoull(text, &end, 10);
		if (errno || (*end && *end != ','))
			return false;
		text = *end ? end + 1 : end;
	}
	return true;
}

void run_netns_print(const struct run *run, char *text, size_t max)
{
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < run->n_netns && n < max; i++)
		n += (size_t)snprintf(text + n, max - n, "%s%" PRIu64, i ? "," : "", run->netns[i]);
}
