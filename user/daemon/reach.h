/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's copy of a policy's addresses. The enforcer, which reads policies, writes them to a
 * memory file; the warden, which owns the maps, copies them over. Nothing rests on it: the enforcer
 * judges every connection all the same. A list that is missing or too long only means that targets
 * which nobody names are refused by a reset, not in the call.
 */
#pragma once

#include "kern/kern.h"
#include "policy/policy.h"

/* A memory file with what the policy names; the caller's. A descriptor, or -errno. */
int reach_write(const struct policy *policy);
/* Reads it and makes it the kernel's; *state says afterwards whether the list is whole, and is left
 * for the caller to set. 0, -errno: not a list of ours, or the maps refuse it. */
ERR_CHECK int reach_apply(struct kern *k, int fd, struct intercept_state *state);
