/* SPDX-License-Identifier: Apache-2.0 */
/* Masking on the way back: see rows.h. */
#include "session/rows.h"

#include <errno.h>

#include "session/catalog.h"
#include "session/contents.h"
#include "session/record.h"
#include "session/relay.h"

struct inflight *rows_inflight(struct session *s, uint64_t seq)
{
	for (size_t i = 0; i < s->inflight.n; i++) {
		struct inflight *f =
			&s->inflight.ring[(s->inflight.head + i) & (s->inflight.cap - 1)];

		if (f->seq == seq)
			return f;
	}
	return NULL;
}

/* It was judged by names that another session has changed meanwhile, or is about to: what was said
 * of it may be about other tables than those that the server read. */
static bool rows_is_overtaken(const struct session *s, const struct inflight *f)
{
	return f->names != catalog_names_now(s);
}

/* True if a column is of a table that the catalog has never heard of. */
static bool rows_has_news(const struct column *columns, size_t n, const struct mask_catalog *known)
{
	for (size_t i = 0; i < n; i++)
		if (columns[i].table && !mask_catalog_knows(known, columns[i].table))
			return true;
	return false;
}

static int rows_plan(struct session *s, uint64_t seq, uint32_t columns_id,
	const struct column *columns, size_t n)
{
	const struct inflight *f = rows_inflight(s, seq);
	const struct mask_catalog *known = catalog_believed(s);
	bool is_judged = f && !rows_is_overtaken(s, f);
	enum unproven unproven;
	int r;

	if (s->plan && s->plan_columns == columns_id && s->plan_seq == seq)
		return 0;
	arena_reset(&s->plan_arena);
	s->plan = NULL;
	r = mask_plan_build(s->resource->masks, known, columns, n, !is_judged || f->touches,
		is_judged ? &f->proof : NULL, &s->plan_arena, &s->plan, &unproven);
	if (r)
		return err_trace(r);
	if (known && rows_has_news(columns, n, known))
		catalog_mark_stale(s);
	s->plan_columns = columns_id;
	s->plan_seq = seq;
	return 0;
}

static void rows_count(struct session *s, uint64_t seq, const struct mask_stats *stats)
{
	struct inflight *f = rows_inflight(s, seq);

	if (!f)
		return;
	f->masked.n_values += stats->n_values;
	f->masked.n_columns += stats->n_columns;
	for (size_t i = 0; stats->n_values && i < DETECTOR_N; i++)
		f->masked.by_detector[i] += stats->by_detector[i];
	for (size_t i = 0; stats->n_values && i < MASK_RULES_MAX; i++)
		f->masked.by_rule[i] += stats->by_rule[i];
}

/* Replacement values of one row, or NULL if nothing changes. */
static int rows_mask(struct session *s, const struct event *ev, const struct value **ret)
{
	struct arena *a = &s->unit_arena;
	struct mask_stats stats = {0};
	struct value *values = NULL;

	*ret = NULL;
	for (size_t i = 0; i < ev->row.n; i++) {
		struct slice changed;

		if (!ev->row.values[i].bytes.p)
			changed = mask_null(s->plan, i);
		if (!ev->row.values[i].bytes.p
				? !changed.p
				: !mask_value(s->plan, i, ev->row.values[i].bytes,
					  s->worker->enforcer->mask_key, a, &changed, &stats))
			continue;
		if (!values) {
			values = arena_array(a, ev->row.n, sizeof(*values));
			if (!values)
				return err_raise(-ENOMEM);
			memcpy(values, ev->row.values, ev->row.n * sizeof(*values));
		}
		values[i].bytes = changed;
	}
	if (values)
		rows_count(s, ev->row.seq, &stats);
	*ret = values;
	return 0;
}

int rows_on_row(struct session *s, struct slice unit)
{
	const struct event ev = s->unit_sink.event;
	struct row_verdict v = {0};
	int r = rows_plan(s, ev.row.seq, ev.row.columns_id, ev.row.columns, ev.row.n);

	if (r)
		return err_trace(r);
	v.pass_rest = mask_plan_is_clear(s->plan);
	if (!v.pass_rest) {
		r = rows_mask(s, &ev, &v.values);
		if (r)
			return err_trace(r);
	}
	if (s->n_recording) {
		contents_row(s, &ev, v.values ? v.values : ev.row.values);
		v.pass_rest = v.pass_rest && !contents_wants(s, ev.row.seq);
	}
	sink_begin(&s->unit_sink);
	r = s->proto->settle_row(s->state, unit, &v, &s->unit_sink);
	if (r > 0 || s->unit_sink.overflow)
		return err_raise(-E2BIG);
	return err_trace(r);
}

int rows_on_value(struct session *s, size_t *ret_hold_back)
{
	const struct event *ev = &s->unit_sink.event;
	bool is_last = ev->value.offset + ev->value.n == ev->value.total;
	struct mask_stats stats = {0};
	int r = 0;

	if (ev->kind == EV_VALUE && (!ev->value.total || !ev->value.columns)) {
		contents_value(s, ev, 0);
		return 0;
	}
	r = rows_plan(
		s, ev->value.seq, ev->value.columns_id, ev->value.columns, ev->value.n_columns);
	if (r)
		return err_trace(r);
	if (ev->kind == EV_BIG_ROW) {
		if (mask_plan_fits_pieces(s->plan))
			return 0;
		s->proto->unread(s->state, 0);
		return MASK_E_FULL;
	}
	r = mask_piece(
		s->plan, ev->value.index, ev->value.p, ev->value.n, is_last, ret_hold_back, &stats);
	rows_count(s, ev->value.seq, &stats);
	if (!r)
		contents_value(s, ev, *ret_hold_back);
	return r < 0 ? err_trace(r) : r;
}

/* Words about a request that may touch protected tables: which value they quote cannot be told.
 * What others notify belongs to no request and may come from anywhere; the channel is what the
 * client listens on. Settings are told after the last request of several, at a place that is none
 * of theirs.
 */
static bool rows_withhold(struct session *s, const struct event *ev, struct slice *fields)
{
	const struct inflight *f = rows_inflight(s, ev->text.seq);
	bool is_known = f || ev->text.is_value;
	bool touches = f ? f->quotes || rows_is_overtaken(s, f) : s->touches;

	if (!ev->text.may_quote || !ev->text.n || !mask_rules_need_catalog(s->resource->masks))
		return false;
	if (ev->text.is_foreign) {
		fields[0] = ev->text.fields[0];
		if (ev->text.n < 2 || !ev->text.fields[1].n)
			return false;
		fields[1] = SLICE_LIT("****");
		return true;
	}
	if (is_known && !touches)
		return false;
	memset(fields, 0, ev->text.n * sizeof(*fields));
	fields[0] = ev->text.is_value ? SLICE_LIT("****")
				      : SLICE_LIT("withheld by holdfast: these words may quote "
						  "protected values");
	return true;
}

int rows_on_text(struct session *s, struct slice unit)
{
	const struct event ev = s->unit_sink.event;
	struct mask_stats stats = {0};
	bool is_withheld;
	struct slice *fields = arena_array(&s->unit_arena, ev.text.n + 1, sizeof(*fields));
	int r;

	if (!fields)
		return err_raise(-ENOMEM);
	is_withheld = rows_withhold(s, &ev, fields);
	if (is_withheld)
		mask_count_withheld(s->resource->masks, &stats);
	for (size_t i = 0; i < ev.text.n && !is_withheld; i++) {
		fields[i] = ev.text.fields[i];
		if (!mask_text(s->resource->masks, ev.text.fields[i], s->worker->enforcer->mask_key,
			    &s->unit_arena, &fields[i], &stats))
			fields[i] = ev.text.fields[i];
	}
	rows_count(s, ev.text.seq, &stats);
	contents_text(s, &ev, fields, ev.text.n);
	sink_begin(&s->unit_sink);
	r = s->proto->settle_text(s->state, unit, fields, ev.text.n, &s->unit_sink);
	if (r > 0 || s->unit_sink.overflow)
		return err_raise(-E2BIG);
	return err_trace(r);
}
