/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of holds and status: see report.h. */
#include "ctl/report.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ctl/wire.h"
#include "kern/kern.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/version.h"

void report_string(struct json *j, const char *key, const char *value)
{
	jsonw_string(j, key, slice_str(value ? value : ""));
}

void report_id(struct json *j, uint64_t hold)
{
	char id[24];

	snprintf(id, sizeof(id), "h%llu", (unsigned long long)hold);
	report_string(j, "id", id);
}

static void report_time(struct json *j, const char *key, int64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / CLOCK_NS_PER_S);
	struct tm tm;
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	report_string(j, key, text);
}

/* The statement, cut between characters if it must be cut. */
static struct slice report_head(const char *text, size_t max)
{
	struct slice s = slice_str(text);

	if (s.n <= max)
		return s;
	while (max && (s.p[max] & 0xc0) == 0x80)
		max--;
	return slice_head(s, max);
}

size_t report_shown(const char *text, size_t text_len)
{
	size_t n = report_head(text, REPORT_TEXT_MAX).n;

	return n < text_len ? n : text_len;
}

void report_hash(const struct hold_view *v, char buf[REPORT_HASH_MAX])
{
	for (size_t i = 0; i < (REPORT_HASH_MAX - 1) / 2; i++)
		snprintf(buf + 2 * i, 3, "%02x", v->hmac[i]);
}

static void report_ballot(const struct ballot *b, struct json *j)
{
	jsonw_uint(j, "quorum", b->terms.quorum);
	jsonw_bool(j, "reason_required", b->terms.needs_reason);
	jsonw_bool(j, "break_glass", b->terms.break_glass != NULL);
	jsonw_array(j, "approvers");
	for (char **a = b->terms.approvers; a && *a; a++)
		jsonw_string(j, NULL, slice_str(*a));
	jsonw_array_end(j);
	jsonw_array(j, "approved_by");
	for (size_t i = 0; i < b->n; i++)
		if (b->votes[i].kind == DECISION_APPROVE)
			jsonw_string(j, NULL, slice_str(b->votes[i].by));
	jsonw_array_end(j);
}

static void report_past(struct json *j, const struct hold_past *p, bool is_shape)
{
	char text[128] = "";

	if (p->n)
		snprintf(text, sizeof(text), "%s %u times (%u ran, %u denied)",
			is_shape ? "this shape" : "this kind", p->n, p->n_ran, p->n_denied);
	report_string(j, "seen", text);
}

/* Lines of text as a list of strings. */
static void report_lines(struct json *j, const char *key, const char *text)
{
	jsonw_array(j, key);
	while (text && *text) {
		size_t n = strcspn(text, "\n");

		jsonw_string(j, NULL, slice_of(text, n));
		text += n + (text[n] == '\n');
	}
	jsonw_array_end(j);
}

/* What its server says of it; nothing where nobody may be asked. */
static void report_look(const struct hold_look *l, struct json *j)
{
	if (!l->place)
		return;
	jsonw_uint(j, "look", l->n);
	if (l->impact && l->impact_words) {
		jsonw_made(j, "impact", slice_str(l->impact));
		report_string(j, "impact_words", l->impact_words);
	}
	if (l->locks && l->locks_words) {
		jsonw_made(j, "locks", slice_str(l->locks));
		report_string(j, "locks_words", l->locks_words);
		jsonw_int(j, "locks_seconds_ago", (clock_mono_ns() - l->asked_ns) / CLOCK_NS_PER_S);
	}
}

void report_hold(const struct hold *h, const struct hold_past *past, bool is_event, size_t text_max,
	struct json *j)
{
	const struct hold_view *v = &h->view;
	int64_t now = clock_wall_ns();
	char hash[REPORT_HASH_MAX];

	jsonw_object(j, NULL);
	if (is_event)
		report_string(j, "event", "hold");
	report_id(j, v->id);
	jsonw_uint(j, "request", v->request);
	jsonw_uint(j, "session", v->session);
	jsonw_uint(j, "run", v->run);
	report_string(j, "run_name", v->run_name);
	report_string(j, "resource", v->resource);
	report_string(j, "target", v->target);
	report_string(j, "role", v->role);
	report_string(j, "database", v->database);
	report_string(j, "application", v->application);
	jsonw_string(j, "text", report_head(v->text, text_max));
	jsonw_uint(j, "text_len", v->text_len);
	jsonw_string(j, "params", report_head(v->params, text_max / 4));
	jsonw_uint(j, "params_len", slice_str(v->params).n);
	report_string(j, "effects", v->effects);
	report_string(j, "objects", v->objects);
	report_string(j, "rule", v->rule);
	report_string(j, "message", v->message);
	report_string(j, "tx", v->tx);
	if (v->tx_since_wall_ns)
		jsonw_int(j, "tx_seconds", (now - v->tx_since_wall_ns) / CLOCK_NS_PER_S);
	else
		jsonw_null(j, "tx_seconds");
	report_string(j, "comm", v->comm);
	report_string(j, "tree", v->tree);
	jsonw_uint(j, "pid", v->pid);
	jsonw_uint(j, "uid", v->uid);
	jsonw_uint(j, "owner_uid", v->owner_uid);
	report_time(j, "since", v->since_wall_ns);
	jsonw_int(j, "waiting_seconds", (now - v->since_wall_ns) / CLOCK_NS_PER_S);
	jsonw_int(j, "timeout_seconds", (v->deadline_wall_ns - now) / CLOCK_NS_PER_S);
	report_hash(v, hash);
	report_string(j, "hash", hash);
	report_string(j, "ask", v->ask);
	report_ballot(&h->ballot, j);
	jsonw_uint(j, "identical", h->n_followers + 1);
	jsonw_bool(j, "has_shape", v->keys.has_shape);
	report_lines(j, "free", v->free);
	report_string(j, "tags", v->tags);
	report_string(j, "unknowns", v->unknowns);
	jsonw_uint(j, "deciding", h->n_deciding);
	report_past(j, past, v->keys.has_shape);
	jsonw_bool(j, "is_ticket", v->is_ticket);
	report_look(&h->look, j);
	jsonw_object_end(j);
}

void report_end(uint64_t hold, const char *outcome, struct json *j)
{
	jsonw_object(j, NULL);
	report_string(j, "event", "end");
	report_id(j, hold);
	report_string(j, "outcome", outcome);
	jsonw_object_end(j);
}

static void report_runs(struct ctl *c, struct json *j)
{
	size_t pos = 0;
	void *p;

	jsonw_array(j, "runs");
	pthread_mutex_lock(&c->enforcer->runs_lock);
	while (map_next(&c->enforcer->runs, &pos, NULL, &p)) {
		const struct run_info *run = p;

		jsonw_object(j, NULL);
		jsonw_uint(j, "id", run->id);
		report_string(j, "name", run->name);
		jsonw_uint(j, "uid", run->uid);
		jsonw_uint(j, "owner_uid", run->owner_uid);
		jsonw_object_end(j);
	}
	pthread_mutex_unlock(&c->enforcer->runs_lock);
	jsonw_array_end(j);
}

static void report_counts(struct ctl *c, struct json *j)
{
	uint64_t counts[HOOK_N][COUNT_N];

	if (kern_read_counts(c->config.counts_fd, counts))
		return;
	jsonw_object(j, "counts");
	for (int hook = 0; hook < HOOK_N; hook++) {
		bool is_open = false;

		for (int what = 0; what < COUNT_N; what++) {
			if (!counts[hook][what])
				continue;
			if (!is_open)
				jsonw_object(j, kern_hook_names[hook]);
			is_open = true;
			jsonw_uint(j, kern_count_names[what], counts[hook][what]);
		}
		if (is_open)
			jsonw_object_end(j);
	}
	jsonw_object_end(j);
}

/* ---- metrics ---- */

static void report_histogram(struct json *j, const char *name, const struct metrics_histogram *h,
	const uint64_t bounds[METRICS_BUCKETS])
{
	jsonw_object(j, name);
	jsonw_array(j, "le");
	for (size_t i = 0; i < METRICS_BUCKETS; i++)
		jsonw_uint(j, NULL, bounds[i]);
	jsonw_array_end(j);
	jsonw_array(j, "n");
	for (size_t i = 0; i <= METRICS_BUCKETS; i++)
		jsonw_uint(j, NULL, h->n[i]);
	jsonw_array_end(j);
	jsonw_uint(j, "sum", h->sum);
	jsonw_object_end(j);
}

/* The workers' counters, added up; reading them costs the workers nothing. */
static void report_metrics(struct ctl *c, struct json *j)
{
	const struct enforcer *e = c->enforcer;
	struct metrics all = {0};
	uint64_t lag = 0;

	for (unsigned i = 0; i < e->n_workers; i++) {
		const struct metrics *m = &e->workers[i]->metrics;
		uint64_t committed = journal_committed(e->workers[i]->journal);

		for (size_t k = 0; k <= METRICS_BUCKETS; k++)
			metrics_add(&all.latency.n[k], m->latency.n[k]);
		metrics_add(&all.latency.sum, m->latency.sum);
		metrics_add(&all.n_errors, m->n_errors);
		metrics_add(&all.n_rows, m->n_rows);
		metrics_add(&all.n_masked, m->n_masked);
		metrics_add(&all.n_bytes, m->n_bytes);
		metrics_add(&all.n_lost, m->n_lost);
		lag += m->recorded > committed ? m->recorded - committed : 0;
	}
	jsonw_object(j, "metrics");
	report_histogram(j, "latency_us", &all.latency, metrics_latency_us);
	report_histogram(j, "hold_ms", &c->waits, metrics_hold_ms);
	jsonw_object(j, "hold_outcomes");
	for (int i = HOLD_OPEN + 1; i < HOLD_OUTCOME_N; i++)
		jsonw_uint(j, hold_outcome_word((enum hold_outcome)i), c->outcomes[i]);
	jsonw_object_end(j);
	jsonw_uint(j, "errors", all.n_errors);
	jsonw_uint(j, "rows", all.n_rows);
	jsonw_uint(j, "bytes", all.n_bytes);
	jsonw_uint(j, "masked_values", all.n_masked);
	jsonw_uint(j, "ledger_lag_records", lag);
	jsonw_uint(j, "records_refused", all.n_lost);
	jsonw_object_end(j);
}

static void report_alarms(struct ctl_alarms *a, struct json *j)
{
	if (!a)
		return;
	jsonw_object(j, "alarms");
	jsonw_uint(j, "layers_missing", atomic_load(&a->n_broken));
	jsonw_uint(j, "tampered", atomic_load(&a->n_tampered));
	jsonw_uint(j, "moved_out", atomic_load(&a->n_moved_out));
	report_time(j, "last", atomic_load(&a->last_wall_ns));
	jsonw_object_end(j);
}

void report_status(struct ctl *c, struct json *j)
{
	const struct enforcer *e = c->enforcer;

	jsonw_object(j, NULL);
	report_string(j, "version", HOLDFAST_VERSION);
	jsonw_int(
		j, "pid", getppid()); /* the warden: what `systemctl` and people call the daemon */
	jsonw_int(j, "uptime_seconds", (clock_mono_ns() - c->started_ns) / CLOCK_NS_PER_S);
	jsonw_object(j, "policy");
	report_string(j, "version", policy_version(c->policy));
	report_string(j, "mode", policy_is_observe(c->policy) ? "observe" : "enforce");
	report_string(j, "file", c->config.policy_path);
	jsonw_object_end(j);
	jsonw_object(j, "ledger");
	jsonw_bool(j, "writable", journal_is_writable(c->config.journal));
	report_string(j, "path", c->config.ledger_path);
	jsonw_object_end(j);
	report_alarms(c->config.alarms, j);
	report_runs(c, j);
	jsonw_uint(j, "sessions", e->n_sessions);
	jsonw_uint(j, "holds", c->holds.by_id.n);
	jsonw_uint(j, "workers", e->n_workers);
	report_string(j, "degraded", c->config.degraded);
	report_counts(c, j);
	jsonw_object(j, "totals");
	jsonw_uint(j, "allowed", e->n_allowed);
	jsonw_uint(j, "held", e->n_held);
	jsonw_uint(j, "denied", e->n_denied);
	jsonw_uint(j, "requests", e->n_allowed + e->n_held + e->n_denied);
	jsonw_object_end(j);
	report_metrics(c, j);
	jsonw_object_end(j);
}
