/* SPDX-License-Identifier: Apache-2.0 */
/* A session as it went, as a page. */
#pragma once

#include "audit/replay.h"

/* Writes what p has left. 0 or a cli_exit, having said why. */
int replay_html(struct replay *p, uint64_t session, const char *path);
