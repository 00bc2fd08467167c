/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

enum { REACH_MAGIC = 0x68666472, REACH_ROWS_MAX = 65536 + 1024 };

struct reach_head {
	uint32_t magic, may_in_run, may_resolve, may_unix, n_targets, n_inbound;
};

static struct reach_key reach_key_of(const struct endpoint *e)
{
	struct reach_key k = {.prefix = REACH_PORT_BITS + e->prefix, .port = htons(e->port)};

	memcpy(k.addr, e->addr, sizeof(k.addr));
	return k;
}

static ERR_CHECK int reach_put(int fd, const void *p, size_t n)
{
	ssize_t r = write(fd, p, n);

	return r == (ssize_t)n ? 0 : err_raise(r < 0 ? -errno : -EIO);
}

static ERR_CHECK int reach_put_endpoints(int fd, const struct endpoint *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct reach_key k = reach_key_of(&e[i]);
		int r = reach_put(fd, &k, sizeof(k));

		if (r)
			return err_trace(r);
	}
	return 0;
}

/* Which address a name has the enforcer knows, for each run: the kernel lets through what goes to
 * the port of one. */
static ERR_CHECK int reach_put_resource(int fd, const struct resource *res)
{
	int r = reach_put_endpoints(fd, res->endpoints, res->n_endpoints);

	for (size_t i = 0; !r && i < res->n_name_ports; i++) {
		const struct endpoint any[] = {
			{.port = res->name_ports[i]},
			{.addr = {[10] = 0xff, [11] = 0xff},
				.prefix = 96,
				.port = res->name_ports[i]},
		};

		r = reach_put_endpoints(fd, any, 2);
	}
	return r ? err_trace(r) : 0;
}

int reach_write(const struct policy *policy)
{
	_cleanup_(fd_closep) int fd = memfd_create("reach", MFD_CLOEXEC);
	struct reach_head head = {.magic = REACH_MAGIC,
		.may_in_run = policy_may_in_run(policy),
		.may_resolve = policy_resolves(policy)};
	const struct resource *res;
	size_t n_inbound;
	const struct endpoint *in = policy_inbound(policy, &n_inbound);
	int r;

	if (fd < 0)
		return err_raise(-errno);
	head.may_unix = policy_unix(policy, 0, &res) != NULL || policy_may_in_run(policy);
	for (size_t i = 0; (res = policy_resource_at(policy, i)); i++)
		head.n_targets += (uint32_t)(res->n_endpoints + 2 * res->n_name_ports);
	head.n_inbound = (uint32_t)n_inbound;
	r = reach_put(fd, &head, sizeof(head));
	for (size_t i = 0; !r && (res = policy_resource_at(policy, i)); i++)
		r = reach_put_resource(fd, res);
	if (!r)
		r = reach_put_endpoints(fd, in, n_inbound);
	return r ? err_trace(r) : TAKE_FD(fd);
}

/* Only a plain file is read, so that no read can wait; and what is read is a copy. */
static ERR_CHECK int reach_read(int fd, struct reach_head *ret_head, struct reach_key **ret)
{
	_cleanup_(freep) struct reach_key *keys = NULL;
	struct stat st;
	size_t n;

	if (fstat(fd, &st) < 0)
		return err_raise(-errno);
	if (!S_ISREG(st.st_mode) || pread(fd, ret_head, sizeof(*ret_head), 0) != sizeof(*ret_head))
		return err_raise(-EINVAL);
	if (ret_head->magic != REACH_MAGIC || ret_head->n_targets > REACH_ROWS_MAX ||
		ret_head->n_inbound > REACH_ROWS_MAX)
		return err_raise(-EINVAL);
	n = (size_t)ret_head->n_targets + ret_head->n_inbound;
	keys = calloc(n ? n : 1, sizeof(*keys));
	if (!keys)
		return err_raise(-ENOMEM);
	if (pread(fd, keys, n * sizeof(*keys), sizeof(*ret_head)) != (ssize_t)(n * sizeof(*keys)))
		return err_raise(-EINVAL);
	*ret = TAKE(keys);
	return 0;
}

int reach_apply(struct kern *k, int fd, struct intercept_state *state)
{
	_cleanup_(freep) struct reach_key *keys = NULL;
	struct reach_head head = {0};
	int r = reach_read(fd, &head, &keys), in;

	/* Until it is proved whole, the list refuses nobody. */
	state->is_listed = 0;
	if (r)
		return err_trace(r);
	state->may_in_run = head.may_in_run != 0;
	state->may_resolve = head.may_resolve != 0;
	/* Without the hook there is no socket to send them to. */
	state->may_unix = head.may_unix && state->unix_name[1];
	r = kern_set_reach(k, KERN_TARGETS, keys, head.n_targets);
	state->is_listed = !r;
	/* Whatever became of that: who is not let in any more must not be. */
	in = kern_set_reach(k, KERN_INBOUND, keys + head.n_targets, head.n_inbound);
	return r ? err_trace(r) : err_trace(in);
}
