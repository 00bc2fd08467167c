/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the audit layer share: a temporary folder, records with something in them. */
#pragma once

#include <criterion/criterion.h>

#include "audit/journal.h"
#include "audit/ledger.h"

/* A folder of this test's own on tmpfs, and paths in it. One per test process. */
const char *fixture_path(const char *name);
void fixture_make(void);
void fixture_remove(void);

/* xorshift; the seed is printed, and $HOLDFAST_SEED sets it. */
uint64_t fixture_random(void);

/* A record of any kind with random content; what its slices point to lives until the next call. */
union record fixture_record(enum record_kind kind, size_t slice_max);
/* Are two records of a kind the same? */
bool fixture_equal(enum record_kind kind, const union record *a, const union record *b);

struct record_request fixture_request(
	uint64_t id, uint64_t session, const char *text, const char *ruling);

/* The one number (or text) that sqlite3 answers, read by a connection of its own. */
int64_t fixture_sql(const char *db, const char *sql);
