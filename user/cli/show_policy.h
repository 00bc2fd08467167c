/* SPDX-License-Identifier: Apache-2.0 */
/* A whole policy on stdout, and as JSON: what `holdfast policy check` prints. */
#pragma once

#include "policy/policy.h"
#include "util/json.h"

/* `resolved`: it was loaded with POLICY_RESOLVE. */
void show_policy(const struct policy *p, const char *path, bool resolved);
void show_policy_json(struct json *j, const struct policy *p, const char *path);
void show_policy_errors_json(struct json *j, const struct diag *d);
