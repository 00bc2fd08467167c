/* SPDX-License-Identifier: Apache-2.0 */
/* What came of it, in the words of the transcript. */
#include <stdlib.h>

#include "replay_int.h"
#include "util/reader.h"

void vector_put(struct buf *b, struct slice s)
{
	if (buf_put(b, s))
		abort();
}

static bool vector_is_ours(struct slice text)
{
	return slice_starts(text, "holdfast_") || slice_starts(text, "/* refused by holdfast */");
}

/* May this reach the server although every request was refused? */
static bool vector_is_harmless(struct slice message)
{
	struct reader r = reader_of(slice_skip(message, 5));
	struct slice first, second;

	switch (message.p[0]) {
	case 'S':
	case 'H':
	case 'X':
	case 'C':
	case 'p':
		return true;
	case 'Q':
		return vector_is_ours(rd_cstr(&r));
	case 'D':
		rd_u8(&r);
		return vector_is_ours(rd_cstr(&r));
	case 'P':
	case 'B':
		first = rd_cstr(&r);
		second = rd_cstr(&r);
		return vector_is_ours(first) || vector_is_ours(second);
	case 'E':
		return vector_is_ours(rd_cstr(&r));
	}
	return false;
}

/* Whole messages, and nothing that is none, leave the out queue for the transcript. The client's
 * first byte may be the answer to a negotiation. */
void vector_print_out(struct replay *r, enum side to)
{
	for (;;) {
		struct slice out = buf_slice(&r->out[to]);
		size_t n;

		if (to == SIDE_CLIENT && out.n == 1 && out.p[0] == 'N') {
			wire_printf(&r->seen, "<= ~N\n");
			buf_consume(&r->out[to], 1);
			continue;
		}
		if (out.n < 5)
			return;
		if (to == SIDE_SERVER && !out.p[0]) {
			n = (size_t)out.p[2] << 8 | out.p[3];
			if (out.n < n)
				return;
			wire_printf(&r->seen, "=> start-up of %zu bytes\n", n);
			buf_consume(&r->out[to], n);
			continue;
		}
		if (!strchr(to == SIDE_SERVER ? "QPBFdpEDCHSXcf" : "RSKNEAZvTtnD123CIsGHWcdV",
			    out.p[0]))
			abort();
		n = 1 + ((size_t)out.p[1] << 24 | (size_t)out.p[2] << 16 | (size_t)out.p[3] << 8 |
				out.p[4]);
		if (out.n < n)
			return;
		if (r->refuses_all && to == SIDE_SERVER && !vector_is_harmless(slice_head(out, n)))
			abort();
		wire_printf(&r->seen, to == SIDE_SERVER ? "=> " : "<= ");
		wire_print(slice_head(out, n), to == SIDE_SERVER, &r->seen);
		wire_printf(&r->seen, "\n");
		buf_consume(&r->out[to], n);
	}
}

void vector_text(struct replay *r, const char *name, struct slice s)
{
	if (!s.p)
		return;
	wire_printf(&r->seen, " %s\"", name);
	for (size_t i = 0; i < s.n && i < 400; i++)
		wire_printf(&r->seen,
			s.p[i] == '\n'                 ? "\\n"
			: s.p[i] < ' ' || s.p[i] > '~' ? "\\x%02x"
						       : "%c",
			s.p[i]);
	wire_printf(&r->seen, "\"");
}

void vector_print_request(struct replay *r, const struct request *q)
{
	static const char *const kinds[] = {"TEXT", "LOGIN", "CALL", "REPLICATION", "OPAQUE"};

	wire_printf(&r->seen, "= REQUEST %llu %s", (unsigned long long)q->seq, kinds[q->kind]);
	vector_text(r, "", q->text);
	vector_text(r, "user=", q->user);
	vector_text(r, "database=", q->database);
	vector_text(r, "application=", q->application);
	for (size_t i = 0; i < q->n_settings; i++) {
		vector_text(r, "set:", q->settings[i].name);
		vector_text(r, "=", q->settings[i].value);
	}
	for (size_t i = 0; i < q->n_params; i++) {
		wire_printf(&r->seen, " $%zu:%u%s", i + 1, q->params[i].type,
			q->params[i].is_binary ? "b" : "");
		if (q->params[i].is_null)
			wire_printf(&r->seen, "=null");
		else
			vector_text(r, "=", q->params[i].value);
	}
	wire_printf(&r->seen, "%s%s%s%s\n", q->is_prepare_only ? " prepare-only" : "",
		q->is_suspect ? " suspect" : "", q->is_doubtful ? " doubtful" : "",
		q->uses_names ? " by-name" : "");
}

void vector_print_reply(struct replay *r, const struct reply *p)
{
	static const char *const status[] = {"ok", "error", "refused", "skipped", "retry"};

	wire_printf(&r->seen, "= REPLY %llu %s rows=%llu bytes=%llu", (unsigned long long)p->seq,
		status[p->status], (unsigned long long)p->n_rows, (unsigned long long)p->bytes);
	vector_text(r, "tag=", p->tag);
	vector_text(r, "code=", p->code);
	vector_text(r, "text=", p->text);
	wire_printf(&r->seen, "\n");
}

void vector_print_row(struct replay *r, const struct event *ev)
{
	wire_printf(&r->seen, "= ROW %llu", (unsigned long long)ev->row.seq);
	for (size_t i = 0; i < ev->row.n; i++) {
		const struct column *c = &ev->row.columns[i];

		wire_printf(&r->seen, " %.*s@%u.%u:%u%s", SLICE_FMT(c->name), c->table, c->attr,
			c->class, c->is_binary ? "b" : "");
		if (ev->row.values[i].bytes.p)
			vector_text(r, "=", ev->row.values[i].bytes);
		else
			wire_printf(&r->seen, "=null");
	}
	wire_printf(&r->seen, "\n");
}
