/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the kernel test share: one world, one kernel side, one count. */
#pragma once

#include "kern/kern.h"
#include "tests/kern/world.h"

enum { DENIALS_MAX = 64 };

struct test {
	struct world world;
	struct kern *kern;
	struct kern_denials *denials;
	struct denial seen[DENIALS_MAX];
	unsigned n_seen;
	unsigned n_passed, n_failed;
	bool has_unix_hooks;
};

bool report(struct test *t, bool is_ok, const char *name, const char *why);
#define check(t, name, x) report((t), (x), (name), #x)

/* Runs fn in a run as uid; its own words when it failed. */
bool client(struct test *t, const char *name, const char *run, uid_t uid,
	const char *(*fn)(struct world *w));
/* Was the last thing that this hook denied denied so, and to whom? */
bool was_denied(const struct test *t, enum hook hook, int error, uid_t uid);
/* Entries of the handshake map: it must be empty whenever no connect is under way. */
unsigned n_handshakes(struct test *t);

/* Loads and attaches, or adopts what is pinned. */
void must_open(struct test *t, bool without_unix);
void close_kern(struct test *t);

/* test_run.c */
void test_targets(struct test *t);
void test_in_run(struct test *t);
void test_impostor(struct test *t);
void test_soak(struct test *t);
void test_full_maps(struct test *t);
void test_upgrade(struct test *t);
void test_cost(struct test *t);
void test_still(struct test *t);
