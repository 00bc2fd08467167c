/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each process gives up: uid, capabilities, files, system calls. Every function fails closed:
 * on an error the caller exits. Call them while the process has one thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

enum {
	SANDBOX_E_NO_LANDLOCK =
		1, /* all is done but the file rules, which this kernel lacks: degraded */
};

/* The enforcer: own uid, no capabilities, no_new_privs; killed when its parent dies; files:
 * read-only /etc and the CA stores (resolver), its own state folder; seccomp: an allow-list in
 * which bpf(2) may only look up. */
struct sandbox_enforcer {
	uid_t uid;
	gid_t gid;
	const char *state_dir; /* it may write here: control socket */
	const char *const
		*read_paths; /* further files and folders it may read; NULL-terminated or NULL */
};
/* 0, SANDBOX_E_NO_LANDLOCK, -errno. */
ERR_CHECK int sandbox_enter_enforcer(const struct sandbox_enforcer *s);

/* The scribe: own uid, no network at all, may write only below the ledger's folder; killed when its
 * parent dies. */
struct sandbox_scribe {
	uid_t uid;
	gid_t gid;
	const char *ledger_dir;
};
/* 0, SANDBOX_E_NO_LANDLOCK, -errno. */
ERR_CHECK int sandbox_enter_scribe(const struct sandbox_scribe *s);

/* Who talks to the webhook, after sandbox_become() of a parent of its own, which it checks: reads
 * name resolution, CA stores and read_paths (NULL-terminated), writes nothing; seccomp: internet
 * sockets, no processes, no programs. 0, SANDBOX_E_NO_LANDLOCK, -errno. */
ERR_CHECK int sandbox_enter_herald(const char *const *read_paths);

/* Becomes uid and gid for good: no other groups, every capability set empty, the bounding set too.
 * Needs root; checked afterwards. uid 0 is refused (-EPERM). */
ERR_CHECK int sandbox_become(uid_t uid, gid_t gid);

/* A run's command, just before exec and after sandbox_become(), which it checks: no_new_privs, and
 * seccomp: socket families and types that hooks cover, no io_uring, ptrace, pidfd_getfd,
 * process_vm_*, bpf, perf, keyctl, setns, TIOCSTI, foreign architectures. with_unix: AF_UNIX
 * sockets may be made (a hook refuses the connect); without it only connected socketpair(2)s work.
 * with_linger: SO_LINGER may be set; not where one that lingers could be sent to us (sock.h).
 */
ERR_CHECK int sandbox_enter_run(bool with_unix, bool with_linger);

/* Version of Landlock's ABI here, 0 = none. */
int sandbox_landlock_abi(void);
