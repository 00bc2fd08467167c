/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit export: the ledger as JSON lines, for log shippers; decisions to syslog. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "audit/contents.h"
#include "audit/export.h"
#include "cli/audit_cmds.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/diag.h"
#include "util/json.h"

enum { AUDIT_LINE_MAX = 64 << 20, AUDIT_POLL_MS = 300, AUDIT_SYSLOG_MAX = 7600 };

static const struct cmd_opt audit_export_opts[] = {
	{'f', "follow", NULL, "go on with what comes"},
	{'a', "after", "ENTRY", "only what comes after the entry of this number; `last`: only new"},
	{'T', "type", "TYPES", "only these, as decision,hold_end"},
	{'g', "syslog", NULL, "to syslog (authpriv.notice), not to stdout"},
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

struct audit_export {
	const char *ledger;
	uint64_t after;
	uint32_t kinds; /* 1 << enum record_kind; 0 = all */
	bool is_following, is_new_only, is_syslog;
};

/* ---- lines ---- */

static void audit_export_hex(struct json *j, const char *name, struct slice s)
{
	_cleanup_(freep) char *hex = calloc(s.n + 1, 2);

	for (size_t i = 0; hex && i < s.n; i++)
		snprintf(hex + 2 * i, 3, "%02x", s.p[i]);
	jsonw_string(j, name, slice_str(hex ? hex : ""));
}

static void audit_export_time(struct json *j, int64_t at_ns)
{
	time_t s = at_ns / CLOCK_NS_PER_S;
	char text[48];
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%06dZ", (int)(at_ns % CLOCK_NS_PER_S / 1000));
	jsonw_string(j, "time", slice_str(text));
}

/* What the parts of contents say, not how they are packed. */
static void audit_export_unpacked(struct json *j, const struct record_content *part)
{
	_cleanup_(buf_deinit) struct buf text;

	buf_init(&text, CONTENTS_PART_MAX);
	if (contents_unpack(part, &text))
		jsonw_bool(j, "damaged", true);
	jsonw_string(j, "text", buf_slice(&text));
}

static void audit_export_fields(struct json *j, const struct export_record *rec)
{
	const struct record_info *info = &record_table[rec->kind];
	const void *member = &rec->record;

	for (size_t i = 0; i < info->n_fields; i++) {
		const struct record_field *f = &info->fields[i];

		if (!f->is_slice)
			jsonw_uint(j, f->name, *(const uint64_t *)member);
		else if (!strcmp(f->name, "bytes"))
			audit_export_unpacked(j, &rec->record.content);
		else if (!strcmp(f->name, "hmac") || !strcmp(f->name, "shown_hmac"))
			audit_export_hex(j, f->name, *(const struct slice *)member);
		else
			jsonw_string(j, f->name, *(const struct slice *)member);
		member = record_next_member(f, member);
	}
}

/* The line of a record; empty: no memory. */
static struct slice audit_export_line(struct json *j, const struct export_record *rec)
{
	jsonw_object(j, NULL);
	jsonw_uint(j, "entry", rec->entry);
	jsonw_string(j, "type", slice_str(record_table[rec->kind].name));
	jsonw_int(j, "at", rec->at_ns);
	audit_export_time(j, rec->at_ns);
	/* Some have no number among their fields. */
	if (strcmp(record_table[rec->kind].fields[0].name, "id"))
		jsonw_int(j, "row", rec->id);
	audit_export_fields(j, rec);
	jsonw_object_end(j);
	return jsonw_done(j);
}

static int audit_export_put(const struct audit_export *a, const struct export_record *rec)
{
	_cleanup_(jsonw_deinit) struct json j;
	struct slice line;

	jsonw_init(&j, AUDIT_LINE_MAX); /* before any return: it is cleaned up */
	if (rec->n_missing && !a->is_syslog)
		printf("{\"entry\":%" PRIu64 ",\"type\":\"missing\",\"entries\":%" PRIu64 "}\n",
			rec->entry - 1, rec->n_missing);
	if (a->kinds && !(a->kinds & 1u << rec->kind))
		return CLI_OK;
	line = audit_export_line(&j, rec);
	if (!line.n)
		return cli_fail(CLI_FAILED, "out of memory");
	/* Collectors cut what is too long for them, and half an object is none. */
	if (a->is_syslog && line.n > AUDIT_SYSLOG_MAX) {
		syslog(LOG_NOTICE, "{\"entry\":%" PRIu64 ",\"type\":\"%s\",\"too_long\":%zu}",
			rec->entry, record_table[rec->kind].name, line.n);
		return CLI_OK;
	}
	if (a->is_syslog) {
		syslog(LOG_NOTICE, "%.*s", SLICE_FMT(line));
		return CLI_OK;
	}
	fwrite(line.p, 1, line.n, stdout);
	putchar('\n');
	return ferror(stdout) ? CLI_FAILED : CLI_OK;
}

/* ---- the command ---- */

static int audit_export_types(struct audit_export *a, const char *list)
{
	_cleanup_(freep) char *copy = strdup(list);
	const char *names[RECORD_N] = {0};
	char *rest = NULL;

	for (size_t i = 1; i < RECORD_N; i++)
		names[i - 1] = record_table[i].name;
	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		size_t i = 1;
		const char *nearest;

		while (i < RECORD_N && strcmp(record_table[i].name, word) != 0)
			i++;
		if (i < RECORD_N) {
			a->kinds |= 1u << i;
			continue;
		}
		nearest = diag_nearest(slice_str(word), names);
		return cli_fail(CLI_USAGE, "export: there is no type '%s'%s%s%s", word,
			nearest ? "; did you mean '" : "", nearest ? nearest : "",
			nearest ? "'?" : "");
	}
	return CLI_OK;
}

static int audit_export_parse(struct audit_export *a, const struct cmd *cmd, int argc, char **argv)
{
	const char *value;
	char *end;
	int letter, r = CLI_OK;

	while (!r && (letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		switch (letter) {
		case 'f':
			a->is_following = true;
			break;
		case 'a':
			a->is_new_only = !strcmp(value, "last");
			a->after = strtoull(value, &end, 10);
			if (!a->is_new_only && (*end || *value < '0' || *value > '9'))
				r = cli_fail(CLI_USAGE, "export: '%s' is no number", value);
			break;
		case 'T':
			r = audit_export_types(a, value);
			break;
		case 'g':
			a->is_syslog = true;
			break;
		case 'l':
			a->ledger = value;
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (!r && argc != cli_optind())
		return cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
	return r;
}

static int audit_export_loop(const struct audit_export *a, struct export *x)
{
	const struct timespec pause = {.tv_nsec = AUDIT_POLL_MS * CLOCK_NS_PER_MS};
	bool is_skipping = a->is_new_only;

	for (;;) {
		struct export_record rec;
		int r = export_next(x, &rec);

		if (r == EXPORT_E_END && (fflush(stdout) || !a->is_following))
			return ferror(stdout) ? CLI_FAILED : CLI_OK;
		if (r == EXPORT_E_END) {
			is_skipping = false;
			nanosleep(&pause, NULL);
			continue;
		}
		if (r)
			return cli_fail(CLI_FAILED, "the ledger cannot be read (errno %d)", -r);
		r = is_skipping ? CLI_OK : audit_export_put(a, &rec);
		if (r)
			return r;
	}
}

static void audit_export_closep(struct export **x)
{
	export_close(*x);
}

static int audit_export_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(audit_export_closep) struct export *x = NULL;
	struct audit_export a = {.ledger = cli_ledger()};
	int r = audit_export_parse(&a, cmd, argc, argv);

	if (r)
		return r;
	r = export_open(a.ledger, a.after, &x);
	if (r == EXPORT_E_NO_LEDGER)
		return cli_fail(CLI_HOST, "%s is no ledger that can be read", a.ledger);
	if (r)
		return cli_fail(CLI_FAILED, "the ledger cannot be read (errno %d)", -r);
	if (a.is_syslog)
		openlog("holdfast", LOG_PID, LOG_AUTHPRIV);
	return audit_export_loop(&a, x);
}

const struct cmd audit_export = {
	.name = "export",
	.usage = "audit export [--follow] [--after ENTRY] [--type TYPES] [--syslog]",
	.help = "The ledger as JSON lines, in the order in which it was written.",
	.more = "Each line is an object: `entry`, the number of the line for ever (remember it "
		"and\n"
		"go on with --after); `type`, one of run, run_end, session, login, session_end,\n"
		"request, hold, decision, hold_end, reply, content, event; `at`, nanoseconds since "
		"1970, and\n"
		"`time`, the same as ISO 8601 in UTC; `row`, where the record has no id of its "
		"own;\n"
		"and the columns of the table of that name, as user/audit/schema.sql explains "
		"them\n"
		"(hmac and shown_hmac in hexadecimal; of content its `text`, unpacked). `missing`: "
		"so many "
		"entries before this one were pruned.\n"
		"Fields may be added, none goes or changes.",
	.opts = audit_export_opts,
	.run = audit_export_run,
};
