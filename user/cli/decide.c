/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions: see decide.h. */
#include "cli/decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cli/client.h"
#include "cli/text.h"
#include "util/cleanup.h"
#include "util/utf8.h"

enum { DECIDE_BODY_MAX = DECIDE_REASON_MAX + 128, DECIDE_ERROR_MAX = 400, DECIDE_TIMEOUT_S = 20 };

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

	if (client_read(c))
		return CLI_FAILED;
	if (c->type == CTL_ERROR)
		return decide_error(c, ret);
	j = c->type == CTL_DATA ? client_json(c) : NULL;
	outcome = json_string_value(json_object_get(j, "outcome"));
	ended = json_string_value(json_object_get(j, "ended"));
	return outcome ? decide_sentence(is_approval, id, outcome, ended ? ended : "", ret)
		       : CLI_FAILED;
}

int decide_send(uint64_t hold, bool is_approval, const char *reason, struct decide_result *ret)
{
	_cleanup_(client_deinit) struct client c;
	const struct timeval patience = {.tv_sec = DECIDE_TIMEOUT_S};
	const char *sudo_uid = getenv("SUDO_UID");
	uint8_t body[DECIDE_BODY_MAX];
	struct writer w = writer_of(body, sizeof(body));
	char id[24];
	int r;

	snprintf(id, sizeof(id), "h%" PRIu64, hold);
	snprintf(ret->text, sizeof(ret->text), "holdfastd gave no answer about %s", id);
	wr_be64(&w, hold);
	wr_be32_bytes(&w, slice_str(reason));
	wr_be32_bytes(&w, slice_head(slice_str(sudo_uid ? sudo_uid : ""), 20));
	r = client_open(&c, CTL_SOCKET);
	if (!r && setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		r = -errno;
	if (!r)
		r = w.bad ? CLIENT_E_TOO_BIG
			  : client_send(
				    &c, is_approval ? CTL_APPROVE : CTL_DENY, wr_done(&w), NULL, 0);
	if (!r)
		return decide_answer(&c, is_approval, id, ret);
	if (r == CLIENT_E_DOWN)
		snprintf(ret->text, sizeof(ret->text),
			"holdfastd is not running; %s was not decided", id);
	if (r == CLIENT_E_FORBIDDEN)
		snprintf(ret->text, sizeof(ret->text),
			"you may not open holdfastd's control socket");
	return r == CLIENT_E_DOWN ? CLI_HOST : r == CLIENT_E_FORBIDDEN ? CLI_FORBIDDEN : CLI_FAILED;
}
