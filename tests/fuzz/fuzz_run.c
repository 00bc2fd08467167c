/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to run, and the file of a run: any bytes end in an outcome, and what is read lies
 * inside of them.
 *
 * fuzz-links: user/priv/run_wire.c user/priv/run_state.c user/util/[a-z]*.c
 *
 * Input: one byte that says which, then the bytes.
 */
#include <stdlib.h>

#include "priv/run_state.h"
#include "priv/run_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inside(struct slice part, struct slice whole)
{
	if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct run_request req;
	struct run_state state;
	struct slice body = slice_of(data + 1, n ? n - 1 : 0);

	if (!n)
		return 0;
	if (data[0] & 1) {
		if (!run_state_parse(body, &state) && !state.id)
			abort();
		return 0;
	}
	if (run_wire_parse_start(body, &req))
		return 0;
	inside(req.name, body);
	inside(req.cwd, body);
	for (size_t i = 0; i < req.n_argv; i++)
		inside(req.argv[i], body);
	for (size_t i = 0; i < req.n_env; i++)
		inside(req.env[i], body);
	return 0;
}
