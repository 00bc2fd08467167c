/* SPDX-License-Identifier: Apache-2.0 */
/* Error tracing: see err.h for the idiom. */
#include "util/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

int err_at(int r, const char *what, const char *file, int line, const char *func)
{
	if (!r)
		return 0;
	if (r > 0) {
		/* An outcome reached a caller that does not know it: that is our mistake. */
		log_error("err.fold", "outcome=%d at=%s:%d func=%s", r, file, line, func);
		return -ENOTRECOVERABLE;
	}
	log_debug("err.trace", "errno=%d text=\"%s\" how=%s at=%s:%d func=%s", -r, strerror(-r),
		what, file, line, func);
	return r;
}

bool bug_at(const char *expr, const char *file, int line, const char *func)
{
	log_error("bug", "expr=\"%s\" at=%s:%d func=%s", expr, file, line, func);
	return true;
}

void require_failed(const char *expr, const char *file, int line, const char *func)
{
	log_error("abort", "expr=\"%s\" at=%s:%d func=%s", expr, file, line, func);
	abort();
}
