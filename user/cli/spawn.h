/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the approver's own command for a hold. */
#pragma once

#include <jansson.h>

/* `sh -c command` with the hold in its environment, output thrown away; nobody waits for it.
 * Whoever calls has set SIGCHLD to be ignored. */
void spawn_notify(const char *command, const json_t *hold);
