/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver that runs reach when they ask any resolver. One in each worker, in its loop.
 *
 * A question comes as a datagram to an address that stands for (run, resolver meant), or over IPv6
 * with a mark that stands for the run, see bpf/resolve.bpf.h, or over a TCP connection whose origin
 * has port 53. What the policy does not
 * let be resolved is answered here; the rest is asked of the policy's own resolvers, in our own
 * words. What comes back is vetted, noted in names.h for the run, and answered.
 */
#pragma once

#include "bpf/abi.h"
#include "net/loop.h"
#include "session/enforcer.h"
#include "util/list.h"

struct worker;
struct resolver;

/* udp_fds: of udp_listen(), for IPv4 and IPv6, borrowed; origins_fd: the kernel's table of what
 * addresses and marks stand for, borrowed. 0, -errno. */
ERR_CHECK int resolver_new(
	struct worker *w, const int udp_fds[2], int origins_fd, struct resolver **ret);
struct resolver *resolver_free(struct resolver *r);

/* Answers at a further socket, in another network namespace; borrowed until resolver_leave(). 0,
 * -errno. */
ERR_CHECK int resolver_listen(struct resolver *r, int udp_fd);
void resolver_leave(struct resolver *r, int udp_fd);

/* Is this connection a question to a resolver, that a resource does not claim? Takes the fd then.
 */
bool resolver_accept(
	struct resolver *r, int fd, const struct origin *origin, const struct run_info *run);
/* Once a second: deadlines. */
void resolver_tick(struct resolver *r, int64_t now_ns);
/* The run is over: its connections and questions end. */
void resolver_cut_run(struct resolver *r, uint64_t run);
