/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process comes from, in words for an approver. What /proc says is chosen by the agent in
 * part (names, command lines): it is shown, never judged by. */
#pragma once

#include <sys/types.h>

/* "psql -c … (812) < bash deploy.sh (799) < …", at most a few levels; owned by the caller; may be
 * "". */
char *proctree_describe(pid_t pid);
