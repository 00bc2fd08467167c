/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a policy, and what others may ask of it: see policy.h. */
#include "policy/policy.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "policy/model.h"
#include "util/cleanup.h"

enum { POLICY_ARENA_MAX = 256 * 1024 * 1024 };

static int policy_set_version(struct policy *p, struct slice text)
{
	uint8_t md[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(
		    text.p ? text.p : (const uint8_t *)"", text.n, md, NULL, EVP_sha256(), NULL))
		return err_raise(-ENOMEM);
	for (size_t i = 0; i < 6; i++)
		snprintf(p->version + 2 * i, 3, "%02x", md[i]);
	return 0;
}

static int policy_compare_entries(const void *a, const void *b)
{
	const struct diag_entry *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->col < y->col ? -1 : x->col > y->col;
}

/* People read a file from its top, whatever order we looked at it in. */
static int policy_bad(struct diag *d)
{
	qsort(d->entries, d->n < DIAG_MAX ? d->n : DIAG_MAX, sizeof(*d->entries),
		policy_compare_entries);
	return POLICY_E_BAD;
}

int policy_load(struct slice text, unsigned flags, struct diag *d, struct policy **ret)
{
	_cleanup_(policy_freep) struct policy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_raise(-ENOMEM);
	arena_init(&p->arena, POLICY_ARENA_MAX);
	map_init(&p->endpoints, POLICY_MAX_ENDPOINTS);
	r = policy_parse(text, d, p);
	if (r == POLICY_E_BAD)
		return policy_bad(d);
	if (r)
		return err_trace(r);
	r = policy_resolve(p, flags, d);
	if (r)
		return err_trace(r);
	r = policy_compile(p, d);
	if (r)
		return err_trace(r);
	if (d->n)
		return policy_bad(d);
	r = policy_set_version(p, text);
	if (r)
		return err_trace(r);
	*ret = TAKE(p);
	return 0;
}

struct policy *policy_free(struct policy *p)
{
	if (!p)
		return NULL;
	map_deinit(&p->endpoints);
	arena_deinit(&p->arena);
	free(p);
	return NULL;
}

const char *policy_version(const struct policy *p)
{
	return p->version;
}

bool policy_is_observe(const struct policy *p)
{
	return p->is_observe;
}

const struct resource *policy_resource_by_name(const struct policy *p, struct slice name)
{
	for (size_t i = 0; i < p->n_targets; i++)
		if (slice_eq_str(name, p->targets[i].res.name))
			return &p->targets[i].res;
	return NULL;
}

const struct resource *policy_resource_at(const struct policy *p, size_t i)
{
	return i < p->n_targets ? &p->targets[i].res : NULL;
}

const struct target *policy_target(const struct policy *p, const struct resource *r)
{
	uintptr_t at = (uintptr_t)r, first = (uintptr_t)p->targets;

	if (at < first || at >= first + p->n_targets * sizeof(*p->targets))
		return NULL;
	return (at - first) % sizeof(*p->targets) ? NULL
						  : &p->targets[(at - first) / sizeof(*p->targets)];
}
