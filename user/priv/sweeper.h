/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done about sockets that runs have and were not born in them: looked for at start, every
 * second, and when a run was refused something; cut, or the run killed, as the configuration says.
 */
#pragma once

#include "kern/sweep.h"
#include "priv/run_server.h"

struct sweeper;

/*
 * on_event: one was found and dealt with; the text says which and how, for the ledger. Once a
 * socket. is_killing: foreign_sockets: kill. own_cgroup: the daemon's; a unix connection of a run
 * that was born there is one of ours to a socket that the run listens on (`in_run:`), whose other
 * end the kernel makes on behalf of who connects. 0, SWEEP_E_MISSING (this kernel cannot), -errno.
 */
ERR_CHECK int sweeper_new(bool is_killing, uint64_t own_cgroup,
	void (*on_event)(void *arg, const char *kind, uint64_t run, const char *text), void *arg,
	struct sweeper **ret);
struct sweeper *sweeper_free(struct sweeper *s);
/* A run begins, or ends. Without a sweeper (NULL): nothing. */
void sweeper_begin(struct sweeper *s, uint64_t cgroup);
void sweeper_end(struct sweeper *s, uint64_t cgroup);
/* Looks, if there are runs and the last look is long enough ago. */
void sweeper_look(struct sweeper *s, struct run_server *runs);
/* A run that ran before is in its group now: tells fn (or NULL) of each socket that it has from
 * elsewhere. is_cut: they are cut, now and from now on, as with any run. */
void sweeper_attach(struct sweeper *s, struct run_server *runs, uint64_t cgroup, bool is_cut,
	void (*fn)(void *fn_arg, const char *text), void *fn_arg);
