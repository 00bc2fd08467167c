/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast audit verify: is the ledger what the scribe wrote and the warden signed? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify.h"
#include "cli/audit_cmds.h"
#include "cli/show_ledger.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/json.h"

enum { AUDIT_HEADS_MAX = 1 << 20, AUDIT_JSON_MAX = 1 << 20 };

static const char audit_key_default[] = "/var/lib/holdfast-keys/checkpoint.pub";
static const char audit_head_default[] = "/var/lib/holdfast-keys/checkpoint.last";

static const struct cmd_opt audit_verify_opts[] = {
	{'k', "key", "FILE", "the public key; default: the daemon's"},
	{'H', "head", "FILE", "what was signed last; default: the daemon's, if it can be read"},
	{'a', "anchor", "FILE", "heads that were kept elsewhere, one a line"},
	{'j', "json", NULL, "one JSON object a finding, and one for the whole"},
	{'q', "quiet", NULL, "no progress on stderr"},
	{'l', "ledger", "PATH", "another ledger than the daemon's"},
	{0},
};

struct audit_verify {
	const char *ledger, *key_path, *head_path, *anchor_path;
	struct checkpoint_key *key;
	struct checkpoint *heads, stopped;
	size_t n_heads;
	bool is_json, is_quiet, has_progress;
	int64_t shown_ns;
};

static void audit_verify_deinit(struct audit_verify *v)
{
	checkpoint_key_free(v->key);
	free(v->heads);
}

/* ---- what is known from elsewhere ---- */

static int audit_add_head(struct audit_verify *v, const struct checkpoint *c)
{
	struct checkpoint *heads = realloc(v->heads, (v->n_heads + 1) * sizeof(*heads));

	if (!heads || v->n_heads == AUDIT_HEADS_MAX)
		return cli_fail(CLI_FAILED, "too many heads");
	v->heads = heads;
	v->heads[v->n_heads++] = *c;
	return CLI_OK;
}

/* The warden's file; without one, the end of the ledger cannot be checked, which is said. */
static int audit_read_head(struct audit_verify *v)
{
	const char *path = v->head_path ? v->head_path : audit_head_default;
	struct checkpoint c;
	int r = checkpoint_read_file(path, CHECKPOINT_HEAD, &c);

	/* There is a second line only while no daemon runs. */
	if (!r && checkpoint_read_file(path, CHECKPOINT_STOPPED, &v->stopped))
		v->stopped.number = 0;
	if (!r)
		return audit_add_head(v, &c);
	if (v->head_path && r == CHECKPOINT_E_BAD)
		return cli_fail(CLI_USAGE, "%s holds no checkpoint", v->head_path);
	return v->head_path ? cli_fail(CLI_HOST, "%s cannot be read", v->head_path) : CLI_OK;
}

static int audit_read_anchor(struct audit_verify *v)
{
	char line[CHECKPOINT_LINE_MAX];
	FILE *f = v->anchor_path ? fopen(v->anchor_path, "re") : NULL;
	unsigned at = 0;
	int r = CLI_OK;

	if (!f)
		return v->anchor_path ? cli_fail(CLI_HOST, "%s cannot be read", v->anchor_path)
				      : CLI_OK;
	while (!r && fgets(line, sizeof(line), f)) {
		struct checkpoint c;

		at++;
		line[strcspn(line, "\n")] = 0;
		if (!line[0])
			continue;
		if (checkpoint_parse(line, &c) || c.kind != CHECKPOINT_HEAD)
			r = cli_fail(CLI_USAGE, "%s:%u: no checkpoint", v->anchor_path, at);
		else
			r = audit_add_head(v, &c);
	}
	fclose(f);
	return r;
}

static int audit_read_key(struct audit_verify *v)
{
	const char *path = v->key_path ? v->key_path : audit_key_default;
	int r = checkpoint_key_read(path, &v->key);

	if (!r)
		return CLI_OK;
	if (r == CHECKPOINT_E_BAD)
		return cli_fail(CLI_USAGE, "%s holds no public Ed25519 key", path);
	return cli_fail(CLI_HOST, "the public key %s cannot be read (--key FILE)", path);
}

/* ---- telling ---- */

static void audit_clear_progress(struct audit_verify *v)
{
	if (v->has_progress)
		fputs("\r\x1b[K", stderr);
	v->has_progress = false;
}

static void audit_on_progress(void *arg, uint64_t done, uint64_t all)
{
	struct audit_verify *v = arg;
	int64_t now = clock_mono_ns();

	if (v->is_quiet || !cli_is_tty(stderr) || now - v->shown_ns < CLOCK_NS_PER_S / 5)
		return;
	v->shown_ns = now;
	v->has_progress = true;
	fprintf(stderr, "\rchecked %" PRIu64 " of %" PRIu64 " entries", done, all);
}

static void audit_finding_json(const struct verify_finding *f)
{
	_cleanup_(jsonw_deinit) struct json j;
	struct slice text;

	jsonw_init(&j, AUDIT_JSON_MAX);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "finding", slice_str(verify_words[f->what]));
	if (f->name)
		jsonw_string(&j, "name", slice_str(f->name));
	if (f->table) {
		jsonw_string(&j, "table", slice_str(f->table));
		jsonw_int(&j, "id", f->row);
	}
	if (f->first) {
		jsonw_int(&j, "first_entry", (int64_t)f->first);
		jsonw_int(&j, "last_entry", (int64_t)f->last);
	}
	if (f->after)
		jsonw_int(&j, "after_checkpoint", (int64_t)f->after);
	if (f->until)
		jsonw_int(&j, "until_checkpoint", (int64_t)f->until);
	jsonw_object_end(&j);
	text = jsonw_done(&j);
	printf("%.*s\n", SLICE_FMT(text));
}

static const char *const audit_sentences[VERIFY_WHAT_N] = {
	[VERIFY_CHANGED] = "is not as it was written",
	[VERIFY_REMOVED] = "is gone",
	[VERIFY_INSERTED] = "was never written by the scribe",
	[VERIFY_REORDERED] = "links of the chain were rewritten, or put into another order",
	[VERIFY_GAP] = "links of the chain are gone",
	[VERIFY_FORGED] = "was not signed with this key, or is of other rows than these",
	[VERIFY_UNSIGNED] = "checkpoints between two others are gone",
	[VERIFY_CUT] = "was signed, and is not here: the end was cut off",
	[VERIFY_OTHER] = "this is another ledger than the one that was signed",
	[VERIFY_PRUNED] = "says that rows were removed, and the warden did not sign that",
	[VERIFY_EXTENDED] = "rows were appended while nothing ran that may",
	[VERIFY_POSITION] = "is not what the chain says",
	[VERIFY_SCHEMA] = "is not as this version makes it",
	[VERIFY_UNFOUND] = "is not in an index where people look for it",
	[VERIFY_DAMAGED] = "the file is damaged from here on: SQLite cannot read it",
};

static void audit_on_finding(void *arg, const struct verify_finding *f)
{
	struct audit_verify *v = arg;

	audit_clear_progress(v);
	if (v->is_json) {
		audit_finding_json(f);
		return;
	}
	printf("%s: ", verify_words[f->what]);
	if (f->name)
		printf("%s ", f->name);
	else if (f->table)
		printf("%s %" PRId64 " ", f->table, f->row);
	printf("%s", audit_sentences[f->what]);
	if (f->first && f->first == f->last)
		printf(" (entry %" PRIu64, f->first);
	else if (f->first)
		printf(" (entries %" PRIu64 "-%" PRIu64, f->first, f->last);
	if (f->first && f->after && f->until)
		printf(", between checkpoints %" PRIu64 " and %" PRIu64, f->after, f->until);
	else if (f->first && f->after)
		printf(", after checkpoint %" PRIu64, f->after);
	else if (f->first && f->until)
		printf(", before checkpoint %" PRIu64, f->until);
	puts(f->first ? ")" : "");
}

static void audit_report_json(const struct verify_report *r)
{
	printf("{\"verified\":%s,\"rows\":%" PRIu64 ",\"commits\":%" PRIu64
	       ",\"first_entry\":%" PRIu64 ",\"last_entry\":%" PRIu64 ",\"checkpoints\":%" PRIu64
	       ",\"last_checkpoint\":%" PRIu64 ",\"last_checkpoint_at\":%" PRId64
	       ",\"searched\":%" PRIu64 ",\"views_checked\":%s"
	       ",\"unsigned_entries\":%" PRIu64 ",\"heads\":%" PRIu64 ",\"findings\":%" PRIu64
	       "}\n",
		r->n_findings ? "false" : "true", r->n_rows, r->n_links, r->first, r->last,
		r->n_checkpoints, r->last_checkpoint, r->last_checkpoint_at_ns, r->n_searched,
		r->has_old_schema ? "false" : "true", r->n_unsigned, r->n_heads, r->n_findings);
}

static void audit_report(const struct verify_report *r)
{
	char time[SHOW_TIME_MAX];

	printf("%s: %" PRIu64 " rows in %" PRIu64 " commits, %" PRIu64 " checkpoints\n",
		r->n_findings ? "NOT verified" : "verified", r->n_rows, r->n_links,
		r->n_checkpoints);
	if (r->has_old_schema)
		puts("made by an earlier version: what its views show was not checked; the daemon "
		     "of this one brings it forward");
	if (r->first > 1)
		printf("entries before %" PRIu64 " were pruned\n", r->first);
	if (r->n_checkpoints)
		printf("signed up to entry %" PRIu64 " by checkpoint %" PRIu64 " of %s\n",
			r->last - r->n_unsigned, r->last_checkpoint,
			show_time(time, r->last_checkpoint_at_ns));
	if (r->n_unsigned)
		printf("%" PRIu64 " entries at the end are not signed yet\n", r->n_unsigned);
	if (!r->n_heads && !r->n_findings)
		printf("that nothing was cut off at the end was not checked: no head that was "
		       "kept elsewhere (--head, --anchor)\n");
}

/* ---- the command ---- */

static int audit_verify_parse(struct audit_verify *v, const struct cmd *cmd, int argc, char **argv)
{
	const char *value;
	int letter;

	while ((letter = cli_getopt(cmd, argc, argv, &value)) != -1) {
		switch (letter) {
		case 'k':
			v->key_path = value;
			break;
		case 'H':
			v->head_path = value;
			break;
		case 'a':
			v->anchor_path = value;
			break;
		case 'l':
			v->ledger = value;
			break;
		case 'j':
			v->is_json = true;
			break;
		case 'q':
			v->is_quiet = true;
			break;
		default:
			return CLI_USAGE;
		}
	}
	return argc == cli_optind() ? CLI_OK
				    : cli_fail(CLI_USAGE, "usage: holdfast %s", cmd->usage);
}

static int audit_verify_run(const struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(audit_verify_deinit) struct audit_verify v = {.ledger = cli_ledger()};
	struct verify_config config = {
		.on_finding = audit_on_finding, .on_progress = audit_on_progress, .arg = &v};
	struct verify_report report;
	int r = audit_verify_parse(&v, cmd, argc, argv);

	if (!r)
		r = audit_read_key(&v);
	if (!r)
		r = audit_read_head(&v);
	if (!r)
		r = audit_read_anchor(&v);
	if (r)
		return r;
	config.path = v.ledger;
	config.key = v.key;
	config.heads = v.heads;
	config.n_heads = v.n_heads;
	config.stopped = v.stopped.number ? &v.stopped : NULL;
	r = verify_run(&config, &report);
	audit_clear_progress(&v);
	if (r == VERIFY_E_NO_LEDGER)
		return cli_fail(CLI_HOST, "%s is no ledger that can be read", v.ledger);
	if (r == VERIFY_E_VERSION)
		return cli_fail(CLI_HOST,
			"%s was made by another version: the daemon of this one brings an older "
			"ledger forward",
			v.ledger);
	if (r)
		return cli_fail(CLI_FAILED, "the ledger cannot be read (errno %d)", -r);
	if (v.is_json)
		audit_report_json(&report);
	else
		audit_report(&report);
	return report.n_findings ? CLI_FAILED : CLI_OK;
}

const struct cmd audit_verify = {
	.name = "verify",
	.usage = "audit verify [--key FILE] [--head FILE] [--anchor FILE] [--json]",
	.help = "Check the ledger against its hash chain and the signed checkpoints.",
	.more = "Finds rows that were changed, removed, inserted or put into another order, a cut\n"
		"end and a swapped file, and says where. Exit code 1 if anything was found. The\n"
		"public key is enough, but for the end: that a part of it is missing, only a head\n"
		"that was kept elsewhere can tell.",
	.opts = audit_verify_opts,
	.run = audit_verify_run,
};
