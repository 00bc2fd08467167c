/* SPDX-License-Identifier: Apache-2.0 */
/* Control commands: see commands.h. */
#include "ctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/decisions.h"
#include "ctl/grants.h"
#include "ctl/looks.h"
#include "ctl/report.h"
#include "ctl/watch.h"
#include "session/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/reader.h"
#include "util/utf8.h"

/* ---- questions ------------------------------------------------------------------------------- */

static void ctl_status(struct ctl_client *cl, struct reader *r)
{
	struct json j;

	(void)r;
	jsonw_init(&j, CTL_PACKET_MAX - 64);
	report_status(cl->ctl, &j);
	ctl_client_data(cl, &j);
	jsonw_deinit(&j);
	ctl_client_end(cl);
}

/* ---- administration -------------------------------------------------------------------------- */

static void ctl_reload(struct ctl_client *cl, struct reader *r)
{
	struct ctl *c = cl->ctl;

	(void)r;
	if (ctl_client_find(c, c->reload_client)) {
		ctl_client_error(cl, CTL_ERR_FAILED, "another reload is under way");
		return;
	}
	if (c->config.want_policy(c->config.arg)) {
		ctl_client_error(cl, CTL_ERR_FAILED, "the warden does not answer");
		return;
	}
	c->reload_client = cl->id;
}

/* ---- the table ------------------------------------------------------------------------------- */

enum ctl_who { CTL_ANYONE, CTL_APPROVER, CTL_ROOT };

static const struct {
	enum ctl_type type;
	enum ctl_who who;
	size_t min;
	void (*fn)(struct ctl_client *cl, struct reader *r);
} ctl_table[] = {
	{CTL_STATUS, CTL_ANYONE, 0, ctl_status},
	{CTL_PENDING, CTL_APPROVER, 0, ctl_pending},
	{CTL_WATCH, CTL_APPROVER, 0, ctl_watch},
	{CTL_DECIDING, CTL_APPROVER, 8, ctl_deciding},
	{CTL_LOOKING, CTL_APPROVER, 8, ctl_looking},
	{CTL_APPROVE, CTL_ANYONE, 16, ctl_approve}, /* ballot_may(): the rule says who */
	{CTL_DENY, CTL_ANYONE, 16, ctl_deny},
	{CTL_GRANTS, CTL_APPROVER, 0, ctl_grants},
	{CTL_REVOKE, CTL_APPROVER, 8, ctl_revoke},
	{CTL_RELOAD, CTL_ROOT, 0, ctl_reload},
};

static bool ctl_may(const struct ctl_client *cl, enum ctl_who who)
{
	return who == CTL_ANYONE || (who == CTL_APPROVER && ctl_client_is_approver(cl)) || !cl->uid;
}

void ctl_dispatch(struct ctl_client *cl, struct slice packet)
{
	struct reader r = reader_of(packet);
	uint16_t version = rd_be16(&r), type = rd_be16(&r);

	if (ctl_client_refuse_agent(cl))
		return;
	if (version != CTL_VERSION) {
		ctl_client_error(cl, CTL_ERR_VERSION,
			"holdfast and holdfastd are of different versions; restart the daemon "
			"after an upgrade");
		return;
	}
	for (size_t i = 0; i < sizeof(ctl_table) / sizeof(ctl_table[0]); i++) {
		if (ctl_table[i].type != type || rd_left(&r) < ctl_table[i].min)
			continue;
		if (ctl_may(cl, ctl_table[i].who))
			ctl_table[i].fn(cl, &r);
		else
			ctl_client_error(cl, CTL_ERR_FORBIDDEN,
				ctl_table[i].who == CTL_ROOT
					? "only root may do this"
					: "only approvers may see or decide holds");
		return;
	}
	ctl_client_error(cl, CTL_ERR_UNKNOWN, "unknown or malformed message");
}
