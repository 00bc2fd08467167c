/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions: see decide.h. */
#include "cli/decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/text.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum { DECIDE_BODY_MAX = DECIDE_REASON_MAX + 128, DECIDE_ERROR_MAX = 400 };

int decide_sentence(bool is_approval, const char *id, const char *outcome, const char *ended,
	struct decide_result *ret)
{
	static const struct {
		const char *outcome;
		bool is_approval;
		const char *text;
		enum cli_exit code;
	} rows[] = {
		{"released", true, "approved; the statement was released", CLI_OK},
		{"refused", false, "denied; the agent got an error with the reason", CLI_OK},
		{"too_late", true, "had ended; nothing was released", CLI_NONE},
		{"too_late", false, "had ended", CLI_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].outcome, outcome) || rows[i].is_approval != is_approval)
			continue;
		snprintf(ret->text, sizeof(ret->text), "%s%.40s %s%s%.40s%s",
			rows[i].code == CLI_NONE ? "too late: " : "", id, rows[i].text,
			rows[i].code == CLI_NONE && *ended ? " (" : "",
			rows[i].code == CLI_NONE ? ended : "",
			rows[i].code == CLI_NONE && *ended ? ")" : "");
		return rows[i].code;
	}
	snprintf(ret->text, sizeof(ret->text), "holdfastd answered '%.40s' for %.40s", outcome, id);
	return CLI_FAILED;
}

/* What strangers' words may reach the sentence are made safe first. */
static void decide_print_safe(struct decide_result *ret, struct slice text)
{
	FILE *f = fmemopen(ret->text, sizeof(ret->text), "w");

	if (!f)
		return;
	utf8_print_safe(f, text, false, DECIDE_ERROR_MAX);
	fclose(f);
	ret->text[sizeof(ret->text) - 1] = 0;
}

static int decide_error(const struct client *c, struct decide_result *ret)
{
	struct reader r = reader_of(c->body);
	uint32_t code = rd_be32(&r);
	struct slice text = rd_be32_bytes(&r);

	snprintf(ret->text, sizeof(ret->text), "holdfastd refused");
	if (!r.bad)
		decide_print_safe(ret, text);
	switch (code) {
	case CTL_ERR_FORBIDDEN:
		return CLI_FORBIDDEN;
	case CTL_ERR_NOT_FOUND:
	case CTL_ERR_TOO_LATE:
		return CLI_NONE;
	case CTL_ERR_REASON:
		return CLI_USAGE;
	case CTL_ERR_VERSION:
		return CLI_HOST;
	}
	return CLI_FAILED;
}

static int decide_answer(
	struct client *c, bool is_approval, const char *id, struct decide_result *ret)
{
	_cleanup_(client_json_freep) json_t *j = NULL;
	const char *outcome, *ended;
	int r;

	r = client_read(c);
	if (r == CLIENT_E_SILENT) {
		snprintf(ret->text, sizeof(ret->text),
			"holdfastd does not answer (is it stopped?); whether %s was decided, "
			"`holdfast why %s` tells later",
			id, id);
		return CLI_HOST;
	}
	if (r)
		return CLI_FAILED;
	if (c->type == CTL_ERROR)
		return decide_error(c, ret);
	j = c->type == CTL_DATA ? client_json(c) : NULL;
	outcome = json_string_value(json_object_get(j, "outcome"));
	if (outcome && !strcmp(outcome, "counted")) {
		ret->is_counted = true;
		snprintf(ret->text, sizeof(ret->text),
			"%.40s has your approval; it waits for others (%d of %d)", id,
			(int)text_number(j, "have"), (int)text_number(j, "need"));
		return CLI_OK;
	}
	ended = json_string_value(json_object_get(j, "ended"));
	return outcome ? decide_sentence(is_approval, id, outcome, ended ? ended : "", ret)
		       : CLI_FAILED;
}

static void decide_write(const struct decision *d, struct writer *w)
{
	const char *sudo_uid = getenv("SUDO_UID");

	wr_be64(w, d->hold);
	wr_u8(w, (uint8_t)((d->is_break_glass ? CTL_DECIDE_BREAK_GLASS : 0) |
			   (d->is_all ? CTL_DECIDE_ALL : 0)));
	wr_u8(w, d->seconds ? CTL_SCOPE_TIME : d->is_wide ? CTL_SCOPE_RUN : CTL_SCOPE_ONCE);
	wr_be32(w, d->seconds);
	wr_be32_bytes(w, slice_str(d->reason));
	wr_be32_bytes(w, slice_head(slice_str(sudo_uid ? sudo_uid : ""), 16));
	wr_be32_bytes(w, slice_str(d->seen));
}

int decide_send(const struct decision *d, struct decide_result *ret)
{
	_cleanup_(client_deinit) struct client c;
	uint8_t body[DECIDE_BODY_MAX];
	struct writer w = writer_of(body, sizeof(body));
	char id[24];
	int r;

	*ret = (struct decide_result){0};
	snprintf(id, sizeof(id), "h%" PRIu64, d->hold);
	snprintf(ret->text, sizeof(ret->text), "holdfastd gave no answer about %s", id);
	decide_write(d, &w);
	r = client_open(&c, CTL_SOCKET);
	if (!r)
		r = w.bad ? CLIENT_E_TOO_BIG
			  : client_send(&c, d->is_approval ? CTL_APPROVE : CTL_DENY, wr_done(&w),
				    NULL, 0);
	if (!r)
		return decide_answer(&c, d->is_approval, id, ret);
	if (r == CLIENT_E_DOWN)
		snprintf(ret->text, sizeof(ret->text),
			"holdfastd is not running; %s was not decided", id);
	if (r == CLIENT_E_FORBIDDEN)
		snprintf(ret->text, sizeof(ret->text),
			"you may not open holdfastd's control socket");
	return r == CLIENT_E_DOWN ? CLI_HOST : r == CLIENT_E_FORBIDDEN ? CLI_FORBIDDEN : CLI_FAILED;
}
