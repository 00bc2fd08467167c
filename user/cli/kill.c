/* SPDX-License-Identifier: Apache-2.0 */
/* Ending runs: see kill.h. */
#include "cli/kill.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/client.h"
#include "util/cleanup.h"
#include "util/utf8.h"

static int kill_refused(const struct client *c, char *text, size_t n)
{
	struct reader r = reader_of(c->body);
	uint32_t code = rd_be32(&r);
	struct slice why = rd_be32_bytes(&r);
	FILE *f = fmemopen(text, n, "w");

	if (f) {
		utf8_print_safe(f, why, false, n / 4);
		fclose(f);
		text[n - 1] = 0;
	}
	return code == CTL_ERR_FORBIDDEN   ? CLI_FORBIDDEN
	       : code == CTL_ERR_NOT_FOUND ? CLI_NONE
					   : CLI_FAILED;
}

int kill_run(uint64_t run, char *text, size_t n)
{
	_cleanup_(client_deinit) struct client c;
	uint8_t body[8];
	struct writer w = writer_of(body, sizeof(body));
	int r = client_open(&c, RUN_SOCKET);

	wr_be64(&w, run);
	if (!r)
		r = client_send(&c, RUN_KILL, wr_done(&w), NULL, 0);
	if (!r)
		r = client_read(&c);
	if (r == CLIENT_E_FORBIDDEN) {
		snprintf(text, n,
			"you may not kill runs: be root or a member of the operators' group");
		return CLI_FORBIDDEN;
	}
	if (r) {
		snprintf(
			text, n, "the warden does not answer; run %" PRIu64 " was not killed", run);
		return CLI_HOST;
	}
	if (c.type == CTL_ERROR)
		return kill_refused(&c, text, n);
	snprintf(text, n, "run %" PRIu64 " was killed", run);
	return CLI_OK;
}
