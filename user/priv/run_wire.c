/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of run requests: see run_wire.h. */
#include "priv/run_wire.h"

#include <signal.h>

#include "ctl/wire.h"

static size_t wire_strings(struct reader *r, struct slice *to, size_t max)
{
	uint32_t n = rd_be32(r);

	if (n > max) {
		r->bad = true;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		to[i] = rd_be32_bytes(r);
	return r->bad ? 0 : n;
}

int run_wire_parse_start(struct slice body, struct run_request *ret)
{
	struct reader r = reader_of(body);
	uint8_t flags;

	*ret = (struct run_request){.fds = {-1, -1, -1}};
	ret->name = rd_be32_bytes(&r);
	ret->user = rd_be32_bytes(&r);
	ret->cwd = rd_be32_bytes(&r);
	flags = rd_u8(&r);
	ret->n_argv = wire_strings(&r, ret->argv, RUN_ARGV_MAX);
	ret->n_env = wire_strings(&r, ret->env, RUN_ENV_MAX);
	ret->has_tty = flags & RUN_FLAG_TTY;
	ret->allow_degraded = flags & RUN_FLAG_ALLOW_DEGRADED;
	if (!rd_done(&r) || flags & ~(RUN_FLAG_TTY | RUN_FLAG_ALLOW_DEGRADED))
		return RUN_WIRE_E_MALFORMED;
	return 0;
}

bool run_wire_may_signal(uint32_t sig)
{
	static const uint32_t may[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
		SIGCONT, SIGTSTP, SIGKILL};

	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		if (sig == may[i])
			return true;
	return false;
}
