/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `holdfast selftest escape`: tries every way out that probes.def knows, outside a run first and
 * then inside a throwaway one, and says which are closed.
 */
#pragma once

#include "selftest/world.h"

enum escape_state {
	ESCAPE_CLOSED,
	ESCAPE_OPEN,
	ESCAPE_UNTESTED, /* it does not even work outside a run, so that nothing is shown */
};

/* What came of one row in one guise. */
struct escape_try {
	bool is_done;
	int result; /* of probe_try() */
	char why[PROBE_WHY_MAX];
};

struct escape_verdict {
	enum escape_state state;
	char why[PROBE_WHY_MAX + 64];
};

struct escape {
	struct world world;
	struct escape_try tries[PROBE_ROWS_MAX][GUISE_N];
	struct escape_verdict verdicts[PROBE_ROWS_MAX];
	bool is_attached; /* set before: the run is not started by us, but attached where we are */
	unsigned n_rows, n_ways, n_tries, counts[3];
	uint32_t control_packets, run_packets; /* at the far side */
};

enum { ESCAPE_E_NO_RUN = 1 }; /* the throwaway run could not be started; it said why itself */

/*
 * `self`: path of the holdfast program, which is executed inside the run too; world.probe's
 * holdfast_dir and ledger are set. 0: e->verdicts and counts are filled in. ESCAPE_E_NO_RUN,
 * -errno. Calls escape_deinit() in any case.
 */
ERR_CHECK int escape_run(struct escape *e, const char *self);
void escape_deinit(struct escape *e);
/* Is that row tried at all? What only a started run promises is not of one that was attached. */
bool escape_has_row(const struct escape *e, unsigned row);
/* Inside the run: tries everything and prints a line each. `world`: world_print()'s. → exit status.
 * is_attached: begins when a byte comes on stdin. */
int escape_inside(const char *world, bool is_attached);

/* One line of escape_inside(). False: it makes no sense. */
bool escape_parse(char *line, unsigned *ret_row, enum guise *ret_guise, struct escape_try *ret);
/* What a row's tries, and the marks that arrived in each guise, amount to. */
struct escape_verdict escape_judge(
	const struct escape_try tries[GUISE_N], const uint32_t received[GUISE_N]);
