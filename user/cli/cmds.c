/* SPDX-License-Identifier: Apache-2.0 */
/* Every command, in the order of `holdfast help`: runs, holds, the past, the policy, the daemon. */
#include "cli/cmds.h"

#include <stddef.h>

#include "cli/cmd-attach.h"

const struct cmd *const cmds[] = {
	&cmd_run,
	&cmd_kill,
	&cmd_attach,
	&cmd_release,
	&cmd_prompt,
	&cmd_pending,
	&cmd_approve,
	&cmd_deny,
	&cmd_why,
	&cmd_grants,
	&cmd_audit,
	&cmd_replay,
	&cmd_report,
	&cmd_policy,
	&cmd_reload,
	&cmd_status,
	&cmd_metrics,
	&cmd_doctor,
	&cmd_selftest,
	&cmd_detach,
	&cmd_completion,
	&cmd_version,
	&cmd_help,
	NULL,
};
