/* SPDX-License-Identifier: Apache-2.0 */
/* Journal rows of a session: see record.h. */
#include "session/record.h"

#include "session/contents.h"
#include "session/worker.h"
#include "sql/sql.h"
#include "util/log.h"
#include "util/writer.h"

/* Text longer than this is cut in the ledger; its length and HMAC are of the whole. */
enum {
	RECORD_TEXT_MAX = 256 * 1024,
	RECORD_PARAM_MAX = 4096,
	RECORD_CUT_MAX = 96,
	RECORD_HEX_MAX = 64,
	RECORD_RULES_MAX = 4096
};

int record_session(struct session *s, const char *protocol)
{
	const struct record_session rec = {
		.id = s->id,
		.run = s->run.id,
		.resource = slice_str(s->resource->name),
		.target = slice_str(s->target),
		.protocol = slice_str(protocol),
		.pid = s->origin.tgid,
		.uid = s->origin.uid,
		.comm = slice_of(s->origin.comm, strnlen(s->origin.comm, sizeof(s->origin.comm))),
		.policy = slice_str(policy_version(s->policy)),
	};

	return worker_record(s->worker, RECORD_SESSION, &rec, NULL);
}

/* Records about what already happened: if one is lost, the loss itself is counted and logged by
 * worker_record(), and there is nothing left to refuse. */
static void record_past(struct session *s, enum record_kind kind, const void *rec)
{
	if (worker_record(s->worker, kind, rec, NULL) < 0)
		log_error("record.lost", "session=%llu", (unsigned long long)s->id);
}

void record_session_end(struct session *s, const char *reason)
{
	const struct record_session_end rec = {
		.session = s->id,
		.reason = slice_str(reason),
		.bytes_up = s->client.n_bytes,
		.bytes_down = s->server.n_bytes,
	};

	record_past(s, RECORD_SESSION_END, &rec);
}

void record_login(struct session *s)
{
	const struct record_login rec = {
		.session = s->id,
		.role = slice_str(s->role),
		.database = slice_str(s->database),
		.application = slice_str(s->application),
	};

	record_past(s, RECORD_LOGIN, &rec);
}

/* ---- words ----------------------------------------------------------------------------------- */

struct slice record_effects(struct session *s)
{
	uint32_t set = facts_effects(&s->asked.facts);
	struct writer w;
	uint8_t *p;

	/* The common request has one effect, whose name is a constant. */
	for (int e = 0; e < EFFECT_N; e++)
		if (set == EFFECT_BIT(e))
			return slice_str(effect_table[e].keyword);
	p = arena_alloc(&s->request_arena, 256);
	if (!p)
		return SLICE_LIT("unknown");
	w = writer_of(p, 256);
	for (int e = 0; e < EFFECT_N; e++) {
		if (!(set & EFFECT_BIT(e)))
			continue;
		if (w.n)
			wr_str(&w, ", ");
		wr_str(&w, effect_table[e].keyword);
	}
	return wr_done(&w);
}

struct slice record_objects(struct session *s)
{
	enum { MAX = 2048, CUT = sizeof(", …") - 1 };
	const struct facts *f = &s->asked.facts;
	struct writer w = {0};
	struct slice only = SLICE_NULL;

	for (size_t i = 0; i < f->n; i++) {
		bool seen = !f->list[i].object.n;

		for (size_t k = 0; k < i && !seen; k++)
			seen = slice_eq(f->list[k].object, f->list[i].object);
		if (seen)
			continue;
		if (!only.n) {
			only = f->list[i].object;
			continue;
		}
		if (!w.p) {
			w = writer_of(arena_alloc(&s->request_arena, MAX + CUT), MAX);
			w.bad = !w.p;
			wr_slice(&w, only);
		}
		wr_str(&w, ", ");
		wr_slice(&w, f->list[i].object);
	}
	if (!w.p)
		return only;
	if (w.bad) {
		memcpy(w.p + w.n, ", …", CUT);
		w.n += CUT;
	}
	return slice_of(w.p, w.n);
}

const char *record_tx_name(enum tx_state tx)
{
	switch (tx) {
	case TX_NONE:
		return "none";
	case TX_OPEN:
		return "open";
	case TX_FAILED:
		return "failed";
	case TX_UNKNOWN:
		break;
	}
	return "unknown";
}

/* What the ledger may hold of a text: no passwords, nothing that a detector knows. */
static struct slice record_masked(struct session *s, struct slice text)
{
	struct slice masked = sql_redact(text, &s->request_arena);
	struct mask_stats stats = {0};
	struct slice changed;

	if (s->resource->masks &&
		mask_text(s->resource->masks, masked, s->worker->enforcer->mask_key,
			&s->request_arena, &changed, &stats))
		masked = changed;
	return slice_head(masked, RECORD_TEXT_MAX);
}

static void record_param(struct writer *w, const struct param *p)
{
	static const char hex[] = "0123456789abcdef";

	if (p->is_null) {
		wr_str(w, "NULL");
	} else if (!p->is_binary) {
		wr_str(w, "'");
		wr_slice(w, slice_head(p->value, RECORD_PARAM_MAX));
		wr_str(w, p->value.n > RECORD_PARAM_MAX ? "'…" : "'");
	} else {
		wr_str(w, "\\x");
		for (size_t i = 0; i < p->value.n && i < RECORD_HEX_MAX; i++)
			wr_bytes(w, (char[]){hex[p->value.p[i] >> 4], hex[p->value.p[i] & 15]}, 2);
		if (p->value.n > RECORD_HEX_MAX)
			wr_str(w, "…");
	}
}

/* Whoever decides must not take a part for the whole. Writes up to RECORD_CUT_MAX bytes; how many.
 */
static size_t record_params_cut(uint8_t *to, size_t n, size_t n_whole)
{
	char text[RECORD_CUT_MAX + 1];
	int len = snprintf(text, sizeof(text),
		"\n[cut: %zu parameters, of which %zu are whole here]", n, n_whole);

	memcpy(to, text, (size_t)len);
	return (size_t)len;
}

struct slice record_params(struct session *s, bool masked)
{
	const struct request *q = &s->asked.request;
	struct mask_stats stats = {0};
	struct slice text, changed;
	struct writer w;
	size_t max = 0, n_whole = 0;
	uint8_t *p;

	if (!q->n_params)
		return SLICE_NULL;
	for (size_t i = 0; i < q->n_params; i++)
		max += 32 + 2 * (q->params[i].value.n < RECORD_PARAM_MAX ? q->params[i].value.n
									 : RECORD_PARAM_MAX);
	max = max < RECORD_TEXT_MAX ? max : RECORD_TEXT_MAX;
	p = arena_alloc(&s->request_arena, max + RECORD_CUT_MAX);
	w = writer_of(p, p ? max : 0);
	for (size_t i = 0; i < q->n_params && !w.bad; i++) {
		char name[32];

		n_whole = i;

		snprintf(name, sizeof(name), "%s$%zu = ", i ? "\n" : "", i + 1);
		wr_str(&w, name);
		record_param(&w, &q->params[i]);
	}
	if (p && w.bad)
		w.n += record_params_cut(w.p + w.n, q->n_params, n_whole);
	text = slice_of(w.p, w.n);
	if (masked && s->resource->masks &&
		mask_text(s->resource->masks, text, s->worker->enforcer->mask_key,
			&s->request_arena, &changed, &stats))
		return changed;
	return text;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct slice record_kind(const struct request *q)
{
	switch (q->kind) {
	case REQUEST_TEXT:
		return q->is_prepare_only ? SLICE_LIT("prepare") : SLICE_LIT("query");
	case REQUEST_LOGIN:
		return SLICE_LIT("login");
	case REQUEST_CALL:
		return SLICE_LIT("call");
	case REQUEST_REPLICATION:
		return SLICE_LIT("replication");
	case REQUEST_OPAQUE:
		break;
	}
	return SLICE_LIT("opaque");
}

static struct slice record_login_text(struct session *s)
{
	const struct request *q = &s->asked.request;
	struct writer w = writer_of(arena_alloc(&s->request_arena, 4096), 4096);

	if (!w.p)
		return SLICE_NULL;
	wr_str(&w, "user=");
	wr_slice(&w, q->user);
	wr_str(&w, " database=");
	wr_slice(&w, q->database);
	for (size_t i = 0; i < q->n_settings; i++) {
		wr_str(&w, " ");
		wr_slice(&w, q->settings[i].name);
		wr_str(&w, "=");
		wr_slice(&w, q->settings[i].value);
	}
	return slice_of(w.p, w.n);
}

static struct slice record_ruling(const struct session *s)
{
	static const char *const observed[] = {"allow", "would-hold", "would-deny"};
	enum ruling_kind kind = s->asked.ruling.kind;

	return slice_str(policy_is_observe(s->policy) ? observed[kind] : ruling_keywords[kind]);
}

int record_request(struct session *s)
{
	struct asked *a = &s->asked;
	const struct request *q = &a->request;
	bool is_login = request_is_login(q);
	struct slice text = is_login ? record_login_text(s) : q->text;
	struct slice params = record_params(s, false);
	uint8_t hmac[32];
	struct record_request rec;
	int r;

	if (is_login)
		snprintf(s->application, sizeof(s->application), "%.*s", SLICE_FMT(q->application));
	worker_hmac(s->worker, (struct slice[]){text, params}, 2, hmac);
	a->id = atomic_fetch_add(&s->worker->enforcer->last_request, 1) + 1;
	rec = (struct record_request){
		.id = a->id,
		.session = s->id,
		.kind = record_kind(q),
		.text = record_masked(s, text),
		.text_len = text.n,
		.hmac = slice_of(hmac, sizeof(hmac)),
		.params = record_params(s, true),
		.effects = record_effects(s),
		.objects = record_objects(s),
		.ruling = record_ruling(s),
		.rule = slice_str(a->ruling.rule),
		.policy = slice_str(policy_version(s->policy)),
		.tx = slice_str(record_tx_name(s->proto->tx(s->state))),
	};
	r = worker_record(s->worker, RECORD_REQUEST, &rec, &a->record_seq);
	if (r)
		a->id = 0; /* the number stays unused: nothing may refer to it */
	return r;
}

int record_hold(struct session *s)
{
	const struct asked *a = &s->asked;
	const struct record_hold rec = {
		.id = a->hold,
		.request = a->id,
		.rule = slice_str(a->ruling.rule),
		.timeout_ms = (uint64_t)a->ruling.timeout_ms,
	};

	return worker_record(s->worker, RECORD_HOLD, &rec, NULL);
}

void record_hold_end(struct session *s, const char *outcome)
{
	const struct record_hold_end rec = {.hold = s->asked.hold, .outcome = slice_str(outcome)};

	record_past(s, RECORD_HOLD_END, &rec);
}

/* By which means how many values were masked: "columns=3 email=2". */
static struct slice record_masked_by(const struct mask_stats *masked, char *text, size_t max)
{
	size_t n = 0;

	if (masked->n_columns)
		n += (size_t)snprintf(
			text, max, "columns=%llu", (unsigned long long)masked->n_columns);
	for (size_t i = 0; i < DETECTOR_N && n < max; i++)
		if (masked->by_detector[i])
			n += (size_t)snprintf(text + n, max - n, "%s%s=%llu", n ? " " : "",
				detector_table[i].keyword,
				(unsigned long long)masked->by_detector[i]);
	return slice_of(text, n < max ? n : max - 1);
}

/* By which rules: "customer-pii=5 cards=1". */
static struct slice record_masked_rules(
	const struct session *s, const struct mask_stats *masked, char *text, size_t max)
{
	struct writer w = writer_of(text, max);

	for (size_t i = 0; s->resource->masks && s->resource->masks[i]; i++) {
		char n[32];

		if (!masked->by_rule[i])
			continue;
		snprintf(n, sizeof(n), "=%u", masked->by_rule[i]);
		if (w.n)
			wr_str(&w, " ");
		wr_str(&w, s->resource->masks[i]->name);
		wr_str(&w, n);
	}
	return slice_of(w.p, w.n);
}

/* Rows that a command changed, by the last word of its tag: "DELETE 3", "INSERT 0 3". */
static uint64_t record_affected(struct slice tag)
{
	static const char *const words[] = {"INSERT ", "UPDATE ", "DELETE ", "MERGE ", "COPY "};
	const uint8_t *blank = tag.n ? memrchr(tag.p, ' ', tag.n) : NULL;
	uint64_t n = 0;

	for (size_t i = 0; blank && i < sizeof(words) / sizeof(words[0]); i++) {
		if (!slice_starts(tag, words[i]))
			continue;
		for (const uint8_t *p = blank + 1; p < tag.p + tag.n && *p >= '0' && *p <= '9'; p++)
			n = 10 * n + (uint64_t)(*p - '0');
	}
	return n;
}

void record_reply(struct session *s, const struct inflight *f, const struct reply *reply)
{
	static const char *const status[] = {
		[REPLY_OK] = "ok",
		[REPLY_ERROR] = "error",
		[REPLY_REFUSED] = "refused",
		[REPLY_SKIPPED] = "skipped",
		[REPLY_RETRY] = "error",
	};
	const struct mask_stats *masked = &f->masked;
	char text[256], rules[RECORD_RULES_MAX];
	struct record_reply rec = {
		.request = f->id, .status = slice_str(status[reply->status]), .code = reply->code};

	if (f->recording >= RECORDING_SUMMARY) {
		rec.n_rows = reply->n_rows;
		rec.n_bytes = reply->bytes;
		rec.n_masked = masked->n_values;
		rec.tag = reply->tag;
		rec.message = reply->text;
		rec.n_affected = reply->n_rows ? 0 : record_affected(reply->tag);
		rec.masked = masked->n_values ? record_masked_by(masked, text, sizeof(text))
					      : SLICE_NULL;
		rec.masked_by = masked->n_values
					? record_masked_rules(s, masked, rules, sizeof(rules))
					: SLICE_NULL;
	}
	contents_end(s, f, &rec);
	record_past(s, RECORD_REPLY, &rec);
}

void record_lost(struct session *s, const struct inflight *f)
{
	struct record_reply rec = {.request = f->id, .status = SLICE_LIT("lost")};

	contents_end(s, f, &rec);
	/* What came is a beginning, even if the policy wanted all of it. */
	if (slice_eq_str(rec.contents, "full"))
		rec.contents = SLICE_LIT("head");
	record_past(s, RECORD_REPLY, &rec);
}

void record_unsent(struct session *s, uint64_t request)
{
	const struct record_reply rec = {.request = request, .status = SLICE_LIT("unsent")};

	record_past(s, RECORD_REPLY, &rec);
}
