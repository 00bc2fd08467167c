/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: a YAML file (design in README, "Policies") → resources, rules, masks → rulings.
 *
 * A policy is immutable once loaded, may be read from any thread, and is owned by whoever loaded
 * it. Evaluation is pure: same facts, same ruling, no clock, no state, no allocation.
 *
 * A request is a set of (effect, object) pairs; each rule is asked about each pair, and the
 * strictest ruling wins: deny, hold, allow. The order of rules never matters. What is not known is
 * ruled as the strictest that it could be:
 *   - a deny or hold rule counts if its `when` may match, and its `unless` takes a pair out only if
 *     it provably matches;
 *   - an allow rule counts only if its `when` provably matches and its `unless` provably does not;
 *     it beats `default`, never a deny or hold rule;
 *   - `default` counts unless some rule provably matches. A pair that only may fall under a hold
 *     rule stays denied where the default is to deny.
 *
 * EFFECT_UNKNOWN is a word of its own, not "any effect": it matches where `effect:` lists
 * `unknown`, or where a hold or deny rule (or an `unless`) has no `effect:`. It is allowed only
 * where the file says so in that word, but for `mode: observe`. The object beside it proves
 * nothing.
 *
 * Several hold rules on one request: the shortest timeout, and only approvers whom each of the
 * rules accepts; if their lists have nobody in common, the ruling is deny. The largest quorum,
 * every list of seats, a reason if one wants it, a ticket only if all give one.
 */
#pragma once

#include <stdio.h>

#include "fact/facts.h"
#include "fact/masking.h"
#include "util/diag.h"
#include "util/err.h"

enum { POLICY_E_BAD = 1 }; /* errors are in the diag, all of them */

enum ruling_kind { RULING_ALLOW, RULING_HOLD, RULING_DENY };

/* "allow", "hold", "deny": indexed by enum ruling_kind. */
extern const char *const ruling_keywords[];

/* What the ledger keeps of a reply, each more than the one before. */
enum recording {
	RECORDING_NONE,    /* that it came, and whether it went well */
	RECORDING_SUMMARY, /* … and how much it was, its tag or its error */
	RECORDING_HEAD,    /* … and how its contents begin, as the agent got them */
	RECORDING_FULL,    /* … and all of them */
	RECORDING_N
};

extern const char *const recording_keywords[RECORDING_N + 1];

/* Where a connection wants to go. IPv4 is kept v4-mapped; port in host order. */
struct endpoint {
	uint8_t addr[16];
	uint8_t prefix; /* significant bits, 128 = one address */
	uint16_t port;  /* 0 = any */
};

enum tls_mode { TLS_INSPECT, TLS_PASSTHROUGH, TLS_REFUSE };
/* Whom the server of a unix socket sees as its peer. */
enum unix_auth { UNIX_AUTH_ENFORCER, UNIX_AUTH_AGENT, UNIX_AUTH_USER };
/* From which network namespace a resource is dialled. */
enum via { VIA_AGENT, VIA_HOST };

struct resource {
	const char *name;
	const char *protocol;       /* keyword of a decoder, or "opaque" */
	const char **tags;          /* NULL-terminated */
	const char **at;            /* as written, NULL-terminated */
	struct endpoint *endpoints; /* what `at` resolved to when the policy was loaded */
	size_t n_endpoints;
	uint16_t *name_ports; /* with `dns:`, the ports of its names; 0: any */
	size_t n_name_ports;
	enum tls_mode tls;
	enum via via;
	enum recording recording; /* of replies that no rule speaks of */
	enum unix_auth unix_auth;
	const char *unix_user;          /* UNIX_AUTH_USER: the account's name */
	const struct mask_rule **masks; /* those that apply here, NULL-terminated */
};

struct rule; /* policy/model.h */

/* So many different people of a group; a list of them ends with .who == NULL. */
struct seat {
	const char *who; /* "group:dba", "user:alice" */
	uint64_t n;
};

enum { RULING_SEATS_MAX = 4 };

struct ruling {
	enum ruling_kind kind;
	const char *rule;         /* name of the deciding rule, or "default" */
	const char *message;      /* for the agent; NULL if the rule has none */
	const char **approvers;   /* NULL-terminated "user:x", "group:y"; NULL: any approver */
	const char **break_glass; /* may approve alone in an emergency; NULL: nobody */
	/* Lists that each must be filled, by different people within a list. */
	const struct seat *seats[RULING_SEATS_MAX];
	size_t n_seats;
	uint64_t quorum;    /* hold: so many different people, at least 1 */
	bool needs_reason;  /* hold: an approval says why */
	int64_t timeout_ms; /* hold: then denied */
	int64_t ticket_ms;  /* hold, outside of transactions: refused at once, and a decision stands
			       this long for the identical request; 0: the connection waits */
	bool durable;       /* the rule asks for `durability: power` */
	enum recording recording; /* of the reply */
	size_t fact;              /* index of the pair that decided */
};

/* Who asks, and where. Empty slices are unknown and satisfy no condition of an allow rule. */
struct policy_subject {
	const struct resource *resource; /* never NULL */
	struct slice run;                /* name of the run */
	struct slice role;               /* user at the server (PostgreSQL role) */
	struct slice database;
	/* What masks protect, by the catalog, may decide about its rows; by names alone, as the
	 * facts have them, policy_eval() sees for itself. */
	bool filters_masked;
	/* Is the request in a transaction block, where others wait for its locks? */
	enum tri in_transaction;
	/* The request, where less of it is judged; NULL: what is given to policy_eval(). */
	const struct facts *whole;
	struct filters_memo *memo; /* policy_eval()'s own */
};

struct policy;

/* Look names in `at:` up now; without it only literal addresses are known. */
enum { POLICY_RESOLVE = 1 << 0 };

/* Parses and compiles text; `d` was diag_init()ed with file name and the same text. 0,
 * POLICY_E_BAD, -errno. The text is not kept. */
ERR_CHECK int policy_load(struct slice text, unsigned flags, struct diag *d, struct policy **ret);
struct policy *policy_free(struct policy *p);
static inline void policy_freep(struct policy **p)
{
	*p = policy_free(*p);
}

/* First 12 hex digits of the SHA-256 of the file: what every record names. */
const char *policy_version(const struct policy *p);
/* `mode: observe`: rule and record, but enforce nothing. */
bool policy_is_observe(const struct policy *p);
/* `in_run: allow`: a run may connect to its own listeners on loopback. */
bool policy_may_in_run(const struct policy *p);
/* `inbound:`: networks that may connect to what runs listen on; the port is the run's. */
const struct endpoint *policy_inbound(const struct policy *p, size_t *ret_n);
/* NULL when no resource names this target: then nothing may go there. Loopback, link-local,
 * metadata and multicast addresses are named by entries within their range only. */
const struct resource *policy_find_resource(
	const struct policy *p, const uint8_t addr[static 16], uint16_t port);
const struct resource *policy_resource_by_name(const struct policy *p, struct slice name);
/* The same for a connection to an address that the run resolved these names to (newest first).
 * Endpoints of one address come before names, names before networks. *ret_name: the one that the
 * resource was found by, or NULL. Names that lead to resources of different protocols lead to none:
 * *ret_name is then set, and NULL returned. */
const struct resource *policy_find_target(const struct policy *p, const uint8_t addr[static 16],
	uint16_t port, const char *const *names, size_t n, const char **ret_name);

/* The i-th unix socket that resources name (a path, or @name), with its resource; NULL past the
 * end. */
const char *policy_unix(const struct policy *p, size_t i, const struct resource **ret);

/* A number for such a socket, the same after a restart: it is named by it where strings mean
 * nothing. */
uint64_t policy_unix_id(const char *named);

/* `dns:` is there: runs may resolve, and names in `at:` are what they resolved. */
bool policy_resolves(const struct policy *p);
const struct endpoint *policy_upstreams(const struct policy *p, size_t *ret_n);
/* How a name may be resolved: not at all; because the policy writes it out in `at:`, or in
 * `names:`; because a pattern covers it, so that its owner and its letters are anybody's choice. */
enum policy_name {
	POLICY_NAME_DENIED,
	POLICY_NAME_EXACT,
	POLICY_NAME_LISTED,
	POLICY_NAME_PATTERN,
};
/* name: lower case, no dot at the end. */
enum policy_name policy_may_resolve(const struct policy *p, const char *name);
/* May such a name have this address? */
bool policy_may_answer(const struct policy *p, enum policy_name may, const uint8_t addr[static 16]);
/* All resources, for status and check. */
const struct resource *policy_resource_at(const struct policy *p, size_t i); /* NULL past the end */

/* The strictest ruling over all facts. An empty list is one unknown fact. */
struct ruling policy_eval(
	const struct policy *p, const struct policy_subject *s, const struct facts *f);
/* Who has to agree to a held request, as one line for people: "2 of group:dba or user:eve, with a
 * reason". Two rulings with the same line ask for the same. */
void policy_print_terms(const struct ruling *r, FILE *to);
/* What this subject may do without asking, whatever it is done to: "read, session", as a list of
 * effects that the policy provably allows; and, after "; ", objects that the ruling's rule spares.
 * Prints nothing if there is neither. */
void policy_print_instead(
	const struct policy *p, const struct policy_subject *s, const struct ruling *r, FILE *to);
/* Does any rule say `in_transaction:`? */
bool policy_asks_transaction(const struct policy *p);
/* Does any rule ask filters_on? */
bool policy_asks_filters(const struct policy *p);
/* … or does any mask name columns, so that the lineage of texts is needed? */
bool policy_needs_lineage(const struct policy *p);
/* One paragraph for people: every pair, every rule that matched or did not and why. */
void policy_explain(
	const struct policy *p, const struct policy_subject *s, const struct facts *f, FILE *to);
