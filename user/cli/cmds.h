/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, each declared at the top of its own file. */
#pragma once

#include "cli/cli.h"

extern const struct cmd cmd_approve;
extern const struct cmd cmd_audit;
extern const struct cmd cmd_completion;
extern const struct cmd cmd_deny;
extern const struct cmd cmd_detach;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_grants;
extern const struct cmd cmd_help;
extern const struct cmd cmd_kill;
extern const struct cmd cmd_metrics;
extern const struct cmd cmd_pending;
extern const struct cmd cmd_policy;
extern const struct cmd cmd_prompt;
extern const struct cmd cmd_reload;
extern const struct cmd cmd_replay;
extern const struct cmd cmd_report;
extern const struct cmd cmd_run;
extern const struct cmd cmd_selftest;
extern const struct cmd cmd_status;
extern const struct cmd cmd_version;
extern const struct cmd cmd_why;

/* Below `policy`. */
extern const struct cmd policy_suggest;
