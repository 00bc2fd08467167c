/* SPDX-License-Identifier: Apache-2.0 */
/* What `holdfast selftest escape` makes of what it saw: a suite that cannot say "open" proves
 * nothing, nor does one that calls closed what it never tried. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "selftest/escape.h"

#define DONE(r)                                                                                    \
	{                                                                                          \
		.is_done = true, .result = (r)                                                     \
	}

Test(escape, what_a_row_amounts_to)
{
	static const struct {
		const char *name;
		struct escape_try tries[GUISE_N];
		uint32_t received[GUISE_N];
		enum escape_state want;
	} rows[] = {
		{"stopped inside, works outside", {DONE(PROBE_OUT), DONE(-1)}, {1}, ESCAPE_CLOSED},
		{"out inside", {DONE(PROBE_OUT), DONE(PROBE_OUT)}, {1}, ESCAPE_OPEN},
		{"said to be stopped, but it arrived", {DONE(PROBE_OUT), DONE(-1)}, {1, 1},
			ESCAPE_OPEN},
		{"out in another guise only", {DONE(PROBE_OUT), DONE(-1), DONE(PROBE_OUT)}, {1},
			ESCAPE_OPEN},
		{"arrived in another guise only", {DONE(PROBE_OUT), DONE(-1), DONE(-1), DONE(-1)},
			{1, 0, 0, 2}, ESCAPE_OPEN},
		{"does not work outside", {DONE(-1), DONE(-1)}, {0}, ESCAPE_UNTESTED},
		{"does not work outside, but gets out", {DONE(-1), DONE(PROBE_OUT)}, {0},
			ESCAPE_OPEN},
		{"heard outside although it said it failed", {DONE(-110), DONE(-1)}, {1},
			ESCAPE_CLOSED},
		{"absent on this host", {DONE(PROBE_E_ABSENT), DONE(-1)}, {0}, ESCAPE_UNTESTED},
		{"never tried inside", {DONE(PROBE_OUT)}, {1}, ESCAPE_UNTESTED},
		{"could not be tried inside", {DONE(PROBE_OUT), DONE(PROBE_E_ABSENT)}, {1},
			ESCAPE_UNTESTED},
		{"killed for it", {DONE(PROBE_OUT), DONE(PROBE_E_REFUSED)}, {1}, ESCAPE_CLOSED},
		{"a guise that is not to be had", {DONE(PROBE_OUT), DONE(-1), DONE(PROBE_E_ABSENT)},
			{1}, ESCAPE_CLOSED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(escape_judge(rows[i].tries, rows[i].received).state, rows[i].want,
			"%s", rows[i].name);
}

Test(escape, lines_of_the_run_are_taken_or_left)
{
	static const char *const bad[] = {"", "hello", "1", "1 1", "300 1 0 x", "1 9 0 x",
		"-1 1 0 x", "1 0 0 the control is not the run's to say"};
	char line[] = "17 2 -111 Connection refused\n";
	struct escape_try t;
	enum guise guise;
	unsigned row;

	cr_assert(escape_parse(line, &row, &guise, &t));
	cr_expect_eq(row, 17);
	cr_expect_eq(guise, GUISE_USERNS);
	cr_expect_eq(t.result, -111);
	cr_expect_str_eq(t.why, "Connection refused");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char copy[64];

		snprintf(copy, sizeof(copy), "%s", bad[i]);
		cr_expect(!escape_parse(copy, &row, &guise, &t), "%s", bad[i]);
	}
}

Test(escape, the_world_survives_being_text)
{
	const struct probe_world w = {.tcp_port = 65535,
		.udp_port = 2,
		.inbound_port = 3,
		.pid = 4,
		.far_net = 5,
		.far_ifindex = 6,
		.dir = "/tmp/d",
		.holdfast_dir = "/run/h",
		.ledger = "/var/l.db"};
	struct probe_world got;
	char text[600];

	cr_assert_eq(world_print(&w, text, sizeof(text)), 0);
	cr_assert_eq(world_scan(text, &got), 0);
	cr_expect_eq(got.tcp_port, 65535);
	cr_expect_eq(got.far_ifindex, 6);
	cr_expect_str_eq(got.ledger, "/var/l.db");
	cr_expect_neq(world_scan("1 2 3", &got), 0);
	cr_expect_neq(world_print(&w, text, 10), 0);
}

Test(escape, housekeeping_is_told_from_packets)
{
	uint8_t udp4[28] = {0x45, [9] = 17}, igmp[28] = {0x46, [9] = 2},
		icmp4[28] = {0x45, [9] = 1};
	uint8_t tcp6[60] = {0x60, [6] = 6}, ns[64] = {0x60, [6] = 58, [40] = 135};
	uint8_t echo6[64] = {0x60, [6] = 58, [40] = 128};
	uint8_t mld[72] = {0x60, [6] = 0, [40] = 58, [48] = 143};
	uint8_t hidden[72] = {0x60, [6] = 0, [40] = 6};

	cr_expect(!world_is_noise(udp4, sizeof(udp4)));
	cr_expect(!world_is_noise(icmp4, sizeof(icmp4)));
	cr_expect(!world_is_noise(tcp6, sizeof(tcp6)));
	cr_expect(!world_is_noise(echo6, sizeof(echo6)));
	cr_expect(!world_is_noise(hidden, sizeof(hidden)), "TCP behind an extension header");
	cr_expect(world_is_noise(igmp, sizeof(igmp)));
	cr_expect(world_is_noise(ns, sizeof(ns)));
	cr_expect(world_is_noise(mld, sizeof(mld)));
	cr_expect(world_is_noise(udp4, 4));
}

Test(escape, every_row_has_a_name_of_its_own_and_a_guise)
{
	unsigned n = 0;
	const struct probe_row *rows = probe_rows(&n);

	cr_assert_geq(n, 60);
	for (unsigned i = 0; i < n; i++) {
		cr_expect(probe_has_guise(&rows[i], GUISE_CONTROL));
		cr_expect(probe_has_guise(&rows[i], GUISE_AGENT));
		for (unsigned j = i + 1; j < n; j++)
			cr_expect_str_neq(rows[i].name, rows[j].name);
	}
}
