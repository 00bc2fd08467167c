/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy in memory: what parse.c reads from the file, and what compile.c and resolve.c add so
 * that eval.c has little to do. Everything lives in the policy's arena, but the map.
 *
 *   cond     one `when:` or `unless:`
 *   rule     one entry of `rules:`
 *   target   one entry of `resources:`, with the rules that can apply to it
 *   at       one entry of a resource's `at:`
 */
#pragma once

#include "policy/glob.h"
#include "policy/policy.h"
#include "util/arena.h"
#include "util/map.h"

enum {
	POLICY_MAX_RESOURCES = 256,
	POLICY_MAX_RULES = 256,
	POLICY_MAX_MASKS = 64,
	POLICY_MAX_LIST = 256,     /* entries of any other list */
	POLICY_MAX_APPROVERS = 64, /* different ones in the whole file */
	POLICY_MAX_APPROVER_SETS = 128,
	POLICY_MAX_ENDPOINTS = 64 * 1024,
	POLICY_MAX_UPSTREAMS = 8,
	POLICY_TEXT_MAX = 255,
	POLICY_MESSAGE_MAX = 500,
	POLICY_TIMEOUT_MS = 30 * 60 * 1000,
};

enum protocol_word {
#define PROTOCOL_WORD(id, keyword, help) PROTOCOL_WORD_##id,
#include "fact/protocols.def"
#undef PROTOCOL_WORD
	PROTOCOL_WORD_N
};

extern const char *const protocol_words[PROTOCOL_WORD_N + 1];

/* What a condition can ask of one pair; tag, resource and protocol are settled when compiling. */
enum cond_part {
	COND_EFFECT,
	COND_BOUNDED,
	COND_OBJECT,
	COND_RUN,
	COND_ROLE,
	COND_DATABASE,
	COND_FILTERS
};

/* A column in a condition of the agent's: parts from the right, `column`, `table.column` … */
struct column_pattern {
	struct glob parts[3];
	size_t n;
};

struct cond {
	uint32_t parts;     /* 1 << enum cond_part of those that are asked; from compile.c */
	uint32_t effects;   /* EFFECT_BIT()s; 0 = no condition, until compile.c makes it explicit */
	uint32_t protocols; /* 1 << enum protocol_word; 0 = no condition */
	enum tri bounded;   /* TRI_UNKNOWN = no condition */
	struct pattern_list tag, resource, object, run, role, database;
	unsigned bounded_line, bounded_col;
	struct pattern_list filters_on; /* as written */
	struct column_pattern *filters;
	size_t n_filters;
	bool filters_masked; /* `masked`: whatever masks of the resource protect */
	unsigned filters_line, filters_col;
};

/* Sets of approvers have one bit for each entry of policy.approvers; all ones: any approver. */
#define APPROVERS_ANY UINT64_MAX

struct rule {
	const char *name, *message;
	enum ruling_kind then;
	struct cond when, unless;
	bool has_unless;
	const char **approvers; /* as written, NULL-terminated; or NULL */
	uint64_t approver_set;
	const char **break_glass; /* as written, NULL-terminated; or NULL */
	uint64_t break_set;
	const struct seat *seats; /* ends with .who == NULL; or NULL */
	uint64_t quorum;
	int64_t timeout_ms, ticket_ms;
	bool needs_reason;
	bool is_durable, is_default;
	/* `in_transaction:`: stricter there. compile.c makes a rule of its own of it, for targets
	 * only, which is only_in_transaction. */
	bool has_in_transaction, only_in_transaction;
	enum ruling_kind in_transaction;
	bool has_recording; /* `record:` is there */
	enum recording recording;
	/* Place in the total order "strictest first" that makes the order in the file irrelevant.
	 */
	unsigned rank;
	unsigned line, col;
};

/* A rule as it stands for one target: what depends on the target alone is decided. */
struct bound_rule {
	const struct rule *rule;
	uint32_t effects; /* of its `when`, where the loop sees them */
	bool may_unless;  /* the `unless` can still hold here */
};

enum at_kind { AT_ADDRESS, AT_NAME, AT_UNIX };

struct at {
	const char *text;
	enum at_kind kind;
	struct endpoint endpoint; /* AT_ADDRESS; AT_NAME: the port */
	const char *host;         /* AT_NAME; may begin with *. */
	struct endpoint *found;   /* what it stands for */
	size_t n_found;
	unsigned line, col;
};

struct target {
	struct resource res; /* first: what the world sees */
	enum protocol_word protocol;
	struct at *ats;
	size_t n_ats;
	struct bound_rule *rules; /* strictest first */
	size_t n_rules;
	unsigned line, col;
};

struct mask_entry {
	struct mask_rule rule; /* first: what the world sees */
	struct pattern_list tag, resource;
	unsigned line, col;
};

struct approvers {
	uint64_t set;
	const char **list; /* NULL-terminated */
};

struct policy {
	struct arena arena;
	char version[13];
	bool is_partial; /* resources had errors: what refers to them cannot be checked */
	bool is_observe;
	bool asks_filters;     /* some rule has filters_on */
	bool asks_transaction; /* … in_transaction */
	bool has_dns;          /* names are what runs resolve, not what we did */
	struct {
		struct endpoint *upstreams;
		size_t n_upstreams;
		struct pattern_list names; /* besides those in `at:` */
	} dns;
	bool may_in_run;          /* `in_run: allow` */
	struct endpoint *inbound; /* `inbound:`: from where, to which port of a run */
	size_t n_inbound;
	enum ruling_kind fallback[EFFECT_N]; /* `default:` */
	struct rule defaults[3];             /* fallback as rules, by enum ruling_kind */

	struct target *targets;
	struct rule *rules;
	struct mask_entry *masks;
	size_t n_targets, n_rules, n_masks;

	const char *approvers[POLICY_MAX_APPROVERS];
	size_t n_approvers;
	struct approvers *sets; /* every set that rules and their intersections give */
	size_t n_sets;

	struct map endpoints; /* endpoint_key → target, all of them */
	struct wide_endpoint *wide;
	size_t n_wide;
};

/* Networks and endpoints with any port, most specific first. */
struct wide_endpoint {
	struct endpoint endpoint;
	struct target *target;
};

/* ---- parse.c: text → model. Errors are in the diag. 0, POLICY_E_BAD, -errno */
ERR_CHECK int policy_parse(struct slice text, struct diag *d, struct policy *p);

/* ---- terms.c: who has to agree */
struct binder;
struct yaml_node;
/* "user:NAME", "group:NAME" entries; NULL if there is none that is right. */
const char **terms_parse_who(struct binder *b, const struct yaml_node *n, const char *what);
/* `quorum: 2`, or {group:dba: 1, group:security: 1}, which names the approvers too. */
void terms_parse_quorum(struct binder *b, const struct yaml_node *n, struct rule *r);
/* The line of policy_print_terms() for one rule. */
void policy_print_rule_terms(const struct rule *r, FILE *to);
/* Could the quorum ever be reached? Says so at n if not. */
void terms_check_quorum(struct binder *b, const struct yaml_node *n, const struct rule *r);

/* ---- at.c */
/* Reads one entry of `at:`; false with the reason in *ret_why. Strings live in the arena. */
bool at_parse(struct slice text, struct arena *a, struct at *ret, const char **ret_why);
/* "10.0.0.5:5432", "10.0.0.0/8:*", "[::1]:5432" */
void at_print(const struct endpoint *e, char *buf, size_t n);

struct binder;
struct yaml_node;

/* ---- reach.c: keys of the file that say who reaches a run's listeners */
void reach_parse_in_run(struct binder *b, const struct yaml_node *n, struct policy *p);
void reach_parse_inbound(struct binder *b, const struct yaml_node *n, struct policy *p);

/* ---- guarded.c: the prefix that an endpoint needs at least to cover this address; 0: any */
uint8_t guarded_prefix(const uint8_t addr[static 16]);
/* Loopback, link-local, metadata and the like. */
bool guarded_is_special(const uint8_t addr[static 16]);
/* 10.0.0.0/8 and the like, addresses inside of a house: that network's prefix, or 0. */
uint8_t guarded_private(const uint8_t addr[static 16]);

/* ---- dns.c: `dns:` */
void dns_parse(struct binder *b, const struct yaml_node *n, struct policy *p);
/* The resource at this port with one of these names; *ret_name: which, and set as well where names
 * lead to resources of different protocols, which is no answer. */
const struct resource *dns_find(const struct policy *p, uint16_t port, const char *const *names,
	size_t n, const char **ret_name);

/* ---- resolve.c: names → addresses, addresses → targets. 0, -errno; errors are in the diag */
ERR_CHECK int policy_resolve(struct policy *p, unsigned flags, struct diag *d);

/* Is the address in the endpoint's network? Ports are not looked at. */
bool endpoint_holds(const struct endpoint *e, const uint8_t addr[static 16]);

/* ---- compile.c: everything that can be decided before the first request. 0, -errno */
ERR_CHECK int policy_compile(struct policy *p, struct diag *d);

/* ---- filters.c */
/* Reads one entry of `filters_on:`, borrowed; false: more than three parts, or none. */
bool column_pattern_parse(struct slice text, struct column_pattern *ret);
/* Never TRI_YES: a name without a table may be a column of any. *ret_source: in a lineage of
 * s->whole, the source that matched; UINT_MAX: it is not known what the conditions are. */
enum tri cond_filters(const struct cond *c, const struct policy_subject *s,
	const struct lineage **ret_lineage, unsigned *ret_source);

/* ---- eval.c, shared with explain.c */
/* What a condition says about one pair, and which part of it decided (if not TRI_YES). */
struct cond_answer {
	enum tri holds;
	enum cond_part part;
};

/* `o` is the fact's object. */
struct cond_answer cond_match(const struct cond *c, const struct policy_subject *s,
	const struct fact *f, const struct object *o);
/* The part that depends on the target alone. */
bool cond_fits(const struct cond *c, const struct target *t);
/* NULL for a resource that is not of this policy. */
const struct target *policy_target(const struct policy *p, const struct resource *r);
/* What is judged when there are no facts. */
extern const struct fact policy_no_facts;
