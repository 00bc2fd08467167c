/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of itself and its holds, as JSON. */
#pragma once

#include "ctl/server.h"

void report_status(struct ctl *c, struct json *j);
/* One hold as approvers see it; is_event adds `"event":"hold"`. */
void report_hold(const struct hold_view *v, bool is_event, struct json *j);
void report_end(uint64_t hold, const char *outcome, struct json *j);
