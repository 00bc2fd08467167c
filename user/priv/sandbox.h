/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each process gives up: uid, capabilities, files, system calls. Every function fails closed:
 * on an error the caller exits.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

/* The enforcer: own uid, no capabilities, no_new_privs; files: read-only /etc and the CA stores
 * (resolver), its own state folder; seccomp: an allow-list in which bpf(2) may only look up. */
struct sandbox_enforcer {
	uid_t uid;
	gid_t gid;
	const char *state_dir; /* it may write here: control socket */
};
ERR_CHECK int sandbox_enter_enforcer(const struct sandbox_enforcer *s);

/* The scribe: own uid, no network at all, may write only below the ledger's folder. */
struct sandbox_scribe {
	uid_t uid;
	gid_t gid;
	const char *ledger_dir;
};
ERR_CHECK int sandbox_enter_scribe(const struct sandbox_scribe *s);

/* A run's command, just before exec: no_new_privs, empty capability sets (bounding set too), seccomp:
 * socket families and types that hooks cover, no io_uring, ptrace, pidfd_getfd, process_vm_*, bpf,
 * perf, keyctl, setns, TIOCSTI, foreign architectures. with_unix: AF_UNIX sockets may be made (a hook
 * refuses the connect); without it only socketpair(2) works. */
ERR_CHECK int sandbox_enter_run(bool with_unix);
