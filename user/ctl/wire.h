/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between `holdfast` and `holdfastd`, on two SOCK_SEQPACKET unix sockets, one message a
 * packet: control (ctl.sock, served by the enforcer) and runs (run.sock, served by the warden).
 *
 * Bump CTL_VERSION when anything here changes: both sides refuse another version by name. Integers
 * are big-endian; strings are a 32-bit length and bytes (writer.h, reader.h). Answers carry JSON
 * text, one object a packet, so that a client can show what it does not know yet.
 */
#pragma once

#include <stdint.h>

#define CTL_VERSION 3

enum {
	CTL_PACKET_MAX = 192 * 1024,
	CTL_QUESTION_MAX = 4096, /* what ctl.sock takes; a reason is the longest thing in it */
};

#define CTL_SOCKET "ctl.sock"
#define RUN_SOCKET "run.sock"

enum ctl_type {
	/* 100–199: questions; anyone who may open the socket */
	CTL_STATUS = 100,  /* → DATA, END */
	CTL_PENDING = 101, /* → DATA per hold, END */
	CTL_WATCH = 102,   /* → DATA per hold now, then DATA as holds come and go; never END.
			    * A reader too slow for it gets {"event":"reset"} and all anew */

	CTL_DECIDING = 103, /* u64 hold that this watcher is deciding now, 0 = none; no answer */
	CTL_LOOKING = 104,  /* u64 hold that is on this watcher's screen, 0 = none; no answer */

	/* 200–299: decisions; approvers only */
	CTL_APPROVE = 200, /* see below → DATA (outcome), END */
	CTL_DENY = 201,    /* the same */
	CTL_GRANTS = 202,  /* → DATA per grant, END */
	CTL_REVOKE = 203,  /* u64 grant → DATA (uses), END */

	/* 300–399: administration; root only */
	CTL_RELOAD = 300, /* → DATA (policy version, or the errors), END */

	/* 400–499: runs (run.sock); operators only */
	RUN_START = 400,  /* see below, with 3 descriptors → RUN_STARTED, then RUN_EXITED */
	RUN_SIGNAL = 401, /* u32 signal number, for the run of this connection */
	RUN_KILL = 402,   /* u64 run → END; a connection of its own */
	RUN_ATTACH = 403, /* u8 enum run_place, u8 enum run_attach_flag, string what, string name →
			     DATA (what was attached), END; root only */
	RUN_RELEASE = 404, /* u64 run → END; root only */

	/* 900–999: answers */
	CTL_DATA = 900,    /* string JSON object */
	CTL_END = 901,     /* nothing more for this request */
	CTL_ERROR = 902,   /* u32 enum ctl_error, string message for people */
	RUN_STARTED = 903, /* u64 run id, u32 uid, string name */
	RUN_EXITED = 904, /* u32 wait status as of waitpid(2); CTL_ERROR before it if exec failed */
};

enum ctl_error {
	CTL_ERR_VERSION = 1,   /* another CTL_VERSION */
	CTL_ERR_UNKNOWN = 2,   /* unknown message, or malformed */
	CTL_ERR_FORBIDDEN = 3, /* not for this person */
	CTL_ERR_NOT_FOUND = 4, /* no such hold or run */
	CTL_ERR_TOO_LATE = 5,  /* the hold ended meanwhile */
	CTL_ERR_FAILED = 6,    /* the message says what */
	CTL_ERR_REASON = 7,    /* the rule wants a reason */
};

/*
 * Body of APPROVE and DENY: u64 hold, u8 enum ctl_decide_flag, u8 enum ctl_scope, u32 seconds (of
 * CTL_SCOPE_TIME), string reason, string sudo_uid (recorded, never trusted), string seen: empty, or
 * "HASH/N": `hash` and `look` (may be left out) of the hold as the person saw it.
 */
enum ctl_decide_flag {
	CTL_DECIDE_BREAK_GLASS = 1 << 0,
	CTL_DECIDE_ALL = 1 << 1, /* and all that are identical and wait now */
};
enum ctl_scope { CTL_SCOPE_ONCE, CTL_SCOPE_RUN, CTL_SCOPE_TIME };

/* Every packet begins with this, big-endian: u16 version, u16 type. */
enum { CTL_HEADER_LEN = 4 };

/*
 * RUN_START body: string name, string user ("" = dedicated uid), string cwd, u8 flags, u32 n_argv
 * and strings, u32 n_env and strings. Descriptors: stdin, stdout, stderr.
 */
enum run_flag { RUN_FLAG_TTY = 1 << 0, RUN_FLAG_ALLOW_DEGRADED = 1 << 1 };
enum run_place { RUN_PLACE_PID, RUN_PLACE_CGROUP, RUN_PLACE_UNIT, RUN_PLACE_CONTAINER };
enum run_attach_flag { RUN_ATTACH_CUT = 1 << 0 };
