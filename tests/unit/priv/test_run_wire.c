/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to run, as bytes: a good one, and what any other does. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/wire.h"
#include "priv/run_wire.h"

static uint8_t mem[4096];

static struct slice good(uint8_t flags)
{
	struct writer w = writer_of(mem, sizeof(mem));

	wr_be32_bytes(&w, SLICE_LIT("nightly"));
	wr_be32_bytes(&w, SLICE_LIT(""));
	wr_be32_bytes(&w, SLICE_LIT("/srv"));
	wr_u8(&w, flags);
	wr_be32(&w, 2);
	wr_be32_bytes(&w, SLICE_LIT("psql"));
	wr_be32_bytes(&w, SLICE_LIT("-l"));
	wr_be32(&w, 1);
	wr_be32_bytes(&w, SLICE_LIT("PATH=/bin"));
	return wr_done(&w);
}

Test(run_wire, reads_a_request)
{
	static struct run_request req;

	cr_assert_eq(run_wire_parse_start(good(RUN_FLAG_TTY), &req), 0);
	cr_expect(slice_eq_str(req.name, "nightly"));
	cr_expect(slice_eq_str(req.user, ""));
	cr_expect(slice_eq_str(req.cwd, "/srv"));
	cr_assert_eq(req.n_argv, 2);
	cr_expect(slice_eq_str(req.argv[1], "-l"));
	cr_assert_eq(req.n_env, 1);
	cr_expect(slice_eq_str(req.env[0], "PATH=/bin"));
	cr_expect(req.has_tty);
	cr_expect_not(req.allow_degraded);
	cr_expect_eq(req.fds[0], -1);
}

/* Against a page that may not be touched, cut at every byte. */
Test(run_wire, every_cut_is_malformed)
{
	static struct run_request req;
	struct slice all = good(0);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *guard =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(guard, MAP_FAILED);
	cr_assert_eq(mprotect(guard + page, page, PROT_NONE), 0);
	for (size_t n = 0; n < all.n; n++) {
		memcpy(guard + page - n, all.p, n);
		cr_expect_eq(run_wire_parse_start(slice_of(guard + page - n, n), &req),
			RUN_WIRE_E_MALFORMED, "cut to %zu bytes", n);
	}
	munmap(guard, 2 * page);
}

Test(run_wire, counts_are_capped)
{
	static uint8_t big[16 * 1024];
	static struct run_request req;

	for (uint32_t n = RUN_ARGV_MAX; n <= RUN_ARGV_MAX + 1; n++) {
		struct writer w = writer_of(big, sizeof(big));

		for (int i = 0; i < 3; i++)
			wr_be32(&w, 0);
		wr_u8(&w, 0);
		wr_be32(&w, n);
		for (uint32_t i = 0; i < n; i++)
			wr_be32_bytes(&w, SLICE_LIT("x"));
		wr_be32(&w, 0);
		cr_expect_eq(run_wire_parse_start(wr_done(&w), &req),
			n > RUN_ARGV_MAX ? RUN_WIRE_E_MALFORMED : 0);
	}
}

Test(run_wire, unknown_flags_are_malformed)
{
	static struct run_request req;

	cr_expect_eq(run_wire_parse_start(good(RUN_FLAG_ALLOW_DEGRADED), &req), 0);
	cr_expect_eq(run_wire_parse_start(good(1 << 2), &req), RUN_WIRE_E_MALFORMED);
}

/* Any byte changed: never more strings than there is room for, never outside the message. */
Test(run_wire, mutations_stay_inside)
{
	static struct run_request req;
	uint8_t copy[sizeof(mem)];
	struct slice all = good(0);

	for (size_t i = 0; i < all.n; i++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(copy, all.p, all.n);
			copy[i] = (uint8_t)v;
			if (run_wire_parse_start(slice_of(copy, all.n), &req))
				continue;
			cr_assert_leq(req.n_argv, (size_t)RUN_ARGV_MAX);
			for (size_t a = 0; a < req.n_argv; a++)
				cr_assert(!req.argv[a].n ||
					  (req.argv[a].p >= copy &&
						  req.argv[a].p + req.argv[a].n <= copy + all.n));
		}
}

Test(run_wire, signals)
{
	cr_expect(run_wire_may_signal(SIGINT));
	cr_expect(run_wire_may_signal(SIGKILL));
	cr_expect_not(run_wire_may_signal(0));
	cr_expect_not(run_wire_may_signal(SIGSTOP));
	cr_expect_not(run_wire_may_signal(SIGSEGV));
	cr_expect_not(run_wire_may_signal(UINT32_MAX));
}
