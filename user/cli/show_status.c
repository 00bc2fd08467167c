/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's status as text: see show_status.h. */
#include "cli/show_status.h"

#include <inttypes.h>
#include <string.h>

#include "cli/text.h"

enum { STATUS_TEXT_MAX = 200, STATUS_NAME_MAX = 40 };

static void status_daemon(FILE *to, const json_t *j)
{
	char buf[TEXT_DURATION_MAX];

	fprintf(to, "daemon    holdfastd ");
	text_print(to, j, "version", STATUS_NAME_MAX);
	if (json_object_get(j, "pid"))
		fprintf(to, ", pid %" PRIu64, text_number(j, "pid"));
	if (json_object_get(j, "workers"))
		fprintf(to, ", %" PRIu64 " workers", text_number(j, "workers"));
	if (json_object_get(j, "uptime_seconds"))
		fprintf(to, ", up %s", text_duration(buf, text_number(j, "uptime_seconds")));
	fputc('\n', to);
}

static void status_policy(FILE *to, const json_t *policy)
{
	if (!policy)
		return;
	fprintf(to, "policy    ");
	text_print(to, policy, "file", STATUS_TEXT_MAX);
	fprintf(to, ", version ");
	text_print(to, policy, "version", STATUS_NAME_MAX);
	if (text_field(policy, "mode").n) {
		fprintf(to, ", mode ");
		text_print(to, policy, "mode", STATUS_NAME_MAX);
	}
	fputc('\n', to);
}

static void status_ledger(FILE *to, const json_t *ledger)
{
	if (!ledger)
		return;
	fprintf(to, "ledger    ");
	text_print(to, ledger, "path", STATUS_TEXT_MAX);
	fprintf(to, "%s\n",
		json_is_true(json_object_get(ledger, "writable"))
			? ""
			: ", NOT WRITABLE: requests are refused");
}

/* The first line, if there is anything to be said. */
static void status_alarms(FILE *to, const json_t *alarms)
{
	uint64_t missing = text_number(alarms, "layers_missing");
	uint64_t tampered = text_number(alarms, "tampered");
	uint64_t moved = text_number(alarms, "moved_out");

	if (!missing && !tampered && !moved)
		return;
	fprintf(to, "TAMPERED  ");
	if (missing)
		fprintf(to, "%" PRIu64 " layers are NOT IN PLACE NOW; ", missing);
	fprintf(to,
		"the kernel side was changed by others %" PRIu64 " times, %" PRIu64
		" processes were moved out of their runs; last ",
		tampered, moved);
	text_print(to, alarms, "last", STATUS_NAME_MAX);
	fprintf(to, "\n          (events tampered, repaired, moved-out in the ledger)\n");
}

static void status_totals(FILE *to, const json_t *j)
{
	const json_t *t = json_object_get(j, "totals");

	fprintf(to, "sessions  %" PRIu64 " open, %" PRIu64 " held now\n",
		text_number(j, "sessions"), text_number(j, "holds"));
	if (t)
		fprintf(to,
			"requests  %" PRIu64 ": %" PRIu64 " allowed, %" PRIu64 " held, %" PRIu64
			" denied\n",
			text_number(t, "requests"), text_number(t, "allowed"),
			text_number(t, "held"), text_number(t, "denied"));
	if (text_field(j, "degraded").n) {
		fprintf(to, "degraded  ");
		text_print(to, j, "degraded", STATUS_TEXT_MAX);
		fputc('\n', to);
	}
}

static void status_runs(FILE *to, const json_t *runs)
{
	const json_t *run;
	size_t i;

	if (!json_array_size(runs))
		return;
	fprintf(to, "\nruns      %8s  %8s  %8s  name\n", "id", "uid", "sessions");
	json_array_foreach(runs, i, run)
	{
		fprintf(to, "          %8" PRIu64 "  %8" PRIu64 "  %8" PRIu64 "  ",
			text_number(run, "id"), text_number(run, "uid"),
			text_number(run, "sessions"));
		text_print(to, run, "name", STATUS_NAME_MAX);
		fputc('\n', to);
	}
}

/* One hook a line, with what it counted; hooks that saw nothing are left away. */
static void status_counts(FILE *to, json_t *counts)
{
	const char *hook, *what;
	json_t *row, *n;
	bool is_first = true;

	json_object_foreach(counts, hook, row)
	{
		bool has_any = false;

		json_object_foreach(row, what, n)
		{
			if (json_integer_value(n) <= 0)
				continue;
			if (!has_any)
				fprintf(to, "%s %-16.16s", is_first ? "\nkernel   " : "         ",
					hook);
			fprintf(to, " %.20s %" JSON_INTEGER_FORMAT, what, json_integer_value(n));
			has_any = true;
			is_first = false;
		}
		if (has_any)
			fputc('\n', to);
	}
}

void show_status(FILE *to, const json_t *j)
{
	status_alarms(to, json_object_get(j, "alarms"));
	status_daemon(to, j);
	status_policy(to, json_object_get(j, "policy"));
	status_ledger(to, json_object_get(j, "ledger"));
	status_totals(to, j);
	status_runs(to, json_object_get(j, "runs"));
	status_counts(to, json_object_get(j, "counts"));
}
