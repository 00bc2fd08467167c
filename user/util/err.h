/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error idiom of this code base.
 *
 * Every fallible function returns int and is ERR_CHECK:
 *     0   done;
 *   > 0   an outcome (MODULE_E_*) listed in the header of that function. The caller handles it by
 *         name and never forwards it, since the number means something else one level up;
 *   < 0   -errno: nobody planned for it. Forwarded untouched to one of three borders (a session, a
 *         control request, start-up), which fails closed there.
 *
 * err_raise() starts such an error, err_trace() forwards it, err_fold() turns an outcome nobody
 * handled into a fatal one. Each leaves a line in the debug log, which is a stack trace for free.
 *
 * require(x) is for memory that is already wrong: abort, the supervisor restarts us and the kernel
 * side stays closed meanwhile. bug(x) is for the impossible that one session can survive: logs
 * once, returns true, and the caller closes that session.
 */
#pragma once

#include <stdbool.h>

#define ERR_CHECK __attribute__((warn_unused_result))

int err_at(int r, const char *what, const char *file, int line, const char *func);
bool bug_at(const char *expr, const char *file, int line, const char *func);
_Noreturn void require_failed(const char *expr, const char *file, int line, const char *func);

#define err_raise(r) err_at((r), "raised", __FILE__, __LINE__, __func__)
#define err_trace(r) err_at((r), "passed", __FILE__, __LINE__, __func__)
#define err_fold(r)  err_at((r), "folded", __FILE__, __LINE__, __func__)

#define require(x)                                                                                 \
	do {                                                                                       \
		if (__builtin_expect(!(x), 0))                                                     \
			require_failed(#x, __FILE__, __LINE__, __func__);                          \
	} while (0)

/* True when the impossible happened: `if (bug(n > max)) return SESSION_E_CLOSED;` */
#define bug(x) (__builtin_expect(!!(x), 0) && bug_at(#x, __FILE__, __LINE__, __func__))
