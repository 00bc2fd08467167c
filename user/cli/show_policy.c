/* SPDX-License-Identifier: Apache-2.0 */
/* A policy for people, and for programs: see show_policy.h. */
#include "cli/show_policy.h"

#include "policy/model.h"

static const char *const show_via[] = {"", ", dialled from the host"};
static const char *const show_tls[] = {"inspect", "passthrough", "refuse"};

/* As the file has it. */
static const char *show_unix_auth(const struct resource *r, char *buf, size_t max)
{
	static const char *const words[] = {"enforcer", "agent", "user:"};

	snprintf(buf, max, "%s%s", words[r->unix_auth],
		r->unix_auth == UNIX_AUTH_USER ? r->unix_user : "");
	return buf;
}

static void show_at(const struct at *at, const struct at *end, bool resolved, bool by_runs)
{
	for (; at < end; at++) {
		const char *sep = " → ";

		printf("      %s", at->text);
		if (at->kind == AT_NAME && by_runs)
			printf(" (as runs resolve it)");
		else if (at->kind == AT_NAME && !resolved)
			printf(" (not looked up)");
		for (size_t i = 0; at->kind == AT_NAME && i < at->n_found; i++, sep = ", ") {
			char text[80];

			at_print(&at->found[i], text, sizeof(text));
			printf("%s%s", sep, text);
		}
		putchar('\n');
	}
}

static void show_words(const char *label, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		printf("%s%s", i ? ", " : label, words[i]);
}

static void show_resource(const struct target *t, bool resolved, bool by_runs)
{
	printf("  %s: %s, tls %s%s", t->res.name, t->res.protocol, show_tls[t->res.tls],
		show_via[t->res.via]);
	if (t->res.recording != RECORDING_SUMMARY)
		printf(", records %s", recording_keywords[t->res.recording]);
	show_words(", tags ", (const char *const *)t->res.tags);
	putchar('\n');
	show_at(t->ats, t->ats + t->n_ats, resolved, by_runs);
	printf("      rules:");
	for (size_t i = 0; i < t->n_rules; i++)
		if (!t->rules[i].rule->only_in_transaction)
			printf(" %s", t->rules[i].rule->name);
	printf("%s\n      masks:", t->n_rules ? "" : " none, only default");
	for (size_t i = 0; t->res.masks[i]; i++)
		printf(" %s", t->res.masks[i]->name);
	printf("%s\n", t->res.masks[0] ? "" : " none");
}

static void show_patterns(const char *key, const struct pattern_list *l, const char **sep)
{
	for (size_t i = 0; i < l->n; i++) {
		printf("%s%s%s", i ? "|" : *sep, i ? "" : key, (const char *)l->v[i].whole.text.p);
		*sep = ", ";
	}
}

static void show_cond(const char *word, const struct cond *c)
{
	char lead[16];
	const char *sep = lead;

	snprintf(lead, sizeof(lead), " %s ", word);
	show_patterns("tag ", &c->tag, &sep);
	show_patterns("resource ", &c->resource, &sep);
	for (size_t i = 0, n = 0; c->protocols && i < PROTOCOL_WORD_N; i++) {
		if (!(c->protocols & 1u << i))
			continue;
		printf("%s%s%s", n ? "|" : sep, n ? "" : "protocol ", protocol_words[i]);
		n++;
		sep = ", ";
	}
	for (size_t i = 0, n = 0; c->effects != EFFECT_ALL && i < EFFECT_N; i++) {
		if (!(c->effects & EFFECT_BIT(i)))
			continue;
		printf("%s%s", n++ ? "|" : sep, effect_table[i].keyword);
		sep = ", ";
	}
	show_patterns("object ", &c->object, &sep);
	if (c->bounded != TRI_UNKNOWN) {
		printf("%s%s", sep, c->bounded == TRI_YES ? "bounded" : "not bounded");
		sep = ", ";
	}
	show_patterns("filters on ", &c->filters_on, &sep);
	show_patterns("run ", &c->run, &sep);
	show_patterns("role ", &c->role, &sep);
	show_patterns("database ", &c->database, &sep);
	if (sep == lead)
		printf("%severything", lead);
}

static void show_rule(const struct rule *r)
{
	printf("  %-5s  %s:", ruling_keywords[r->then], r->name);
	show_cond("when", &r->when);
	if (r->has_unless)
		show_cond("unless", &r->unless);
	if (r->then == RULING_HOLD) {
		printf("; waits %llds for ", (long long)(r->timeout_ms / 1000));
		policy_print_rule_terms(r, stdout);
		if (r->ticket_ms)
			printf("; gives tickets for %llds", (long long)(r->ticket_ms / 1000));
	}
	if (r->has_in_transaction)
		printf("; in a transaction: %s", ruling_keywords[r->in_transaction]);
	if (r->has_recording)
		printf("; records %s", recording_keywords[r->recording]);
	printf("%s\n", r->is_durable ? "; durable against power loss" : "");
}

static void show_mask(const struct mask_rule *m)
{
	printf("  %s: as %s, unproven %s, written back %s", m->name, transform_keywords[m->as],
		unproven_keywords[m->unproven], written_back_keywords[m->written_back]);
	show_words("; columns ", m->columns);
	for (size_t i = 0, n = 0; i < DETECTOR_N; i++)
		if (m->detectors & DETECTOR_BIT(i))
			printf("%s%s", n++ ? ", " : "; detect ", detector_table[i].keyword);
	putchar('\n');
}

void show_policy(const struct policy *p, const char *path, bool resolved)
{
	printf("%s: good, version %s, mode %s\n\ndefault\n", path, p->version,
		p->is_observe ? "observe" : "enforce");
	for (size_t kind = 0; ruling_keywords[kind]; kind++) {
		size_t n = 0;

		for (size_t e = 0; e < EFFECT_N; e++)
			if (p->fallback[e] == kind)
				printf("%s%s", n++ ? ", " : "  ", effect_table[e].keyword);
		if (n)
			printf(": %s\n", ruling_keywords[kind]);
	}
	printf("\nresources (%zu)\n", p->n_targets);
	for (size_t i = 0; i < p->n_targets; i++)
		show_resource(&p->targets[i], resolved, p->has_dns);
	if (p->has_dns) {
		printf("\nnames are resolved by\n");
		for (size_t i = 0; i < p->dns.n_upstreams; i++) {
			char text[80];

			at_print(&p->dns.upstreams[i], text, sizeof(text));
			printf("  %s\n", text);
		}
		for (size_t i = 0; i < p->dns.names.n; i++)
			printf("  also %s\n", (const char *)p->dns.names.v[i].whole.text.p);
	}
	printf("\nlisteners of runs\n  in_run: %s\n", p->may_in_run ? "allow" : "deny");
	for (size_t i = 0; i < p->n_inbound; i++) {
		char text[80];

		at_print(&p->inbound[i], text, sizeof(text));
		printf("  inbound: %s\n", text);
	}
	printf("\nrules (%zu)\n", p->n_rules);
	for (size_t i = 0; i < p->n_rules; i++)
		show_rule(&p->rules[i]);
	printf("\nmasks (%zu)\n", p->n_masks);
	for (size_t i = 0; i < p->n_masks; i++)
		show_mask(&p->masks[i].rule);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void show_json_words(struct json *j, const char *key, const char *const *words)
{
	jsonw_array(j, key);
	for (size_t i = 0; words && words[i]; i++)
		jsonw_string(j, NULL, slice_str(words[i]));
	jsonw_array_end(j);
}

static void show_json_at(struct json *j, const struct at *at)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "at", slice_str(at->text));
	jsonw_array(j, "endpoints");
	for (size_t i = 0; i < at->n_found; i++) {
		char text[80];

		at_print(&at->found[i], text, sizeof(text));
		jsonw_string(j, NULL, slice_str(text));
	}
	jsonw_array_end(j);
	jsonw_object_end(j);
}

static void show_json_resource(struct json *j, const struct target *t)
{
	char auth[POLICY_TEXT_MAX + 8];

	jsonw_object(j, NULL);
	jsonw_string(j, "name", slice_str(t->res.name));
	jsonw_string(j, "protocol", slice_str(t->res.protocol));
	jsonw_string(j, "tls", slice_str(show_tls[t->res.tls]));
	jsonw_string(j, "unix_auth", slice_str(show_unix_auth(&t->res, auth, sizeof(auth))));
	jsonw_string(j, "via", slice_str(t->res.via == VIA_HOST ? "host" : "agent"));
	jsonw_string(j, "record", slice_str(recording_keywords[t->res.recording]));
	show_json_words(j, "tags", (const char *const *)t->res.tags);
	jsonw_array(j, "at");
	for (size_t i = 0; i < t->n_ats; i++)
		show_json_at(j, &t->ats[i]);
	jsonw_array_end(j);
	jsonw_array(j, "rules");
	for (size_t i = 0; i < t->n_rules; i++)
		if (!t->rules[i].rule->only_in_transaction)
			jsonw_string(j, NULL, slice_str(t->rules[i].rule->name));
	jsonw_array_end(j);
	jsonw_array(j, "masks");
	for (size_t i = 0; t->res.masks[i]; i++)
		jsonw_string(j, NULL, slice_str(t->res.masks[i]->name));
	jsonw_array_end(j);
	jsonw_object_end(j);
}

static void show_json_rule(struct json *j, const struct rule *r)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "name", slice_str(r->name));
	jsonw_string(j, "then", slice_str(ruling_keywords[r->then]));
	if (r->message)
		jsonw_string(j, "message", slice_str(r->message));
	if (r->then == RULING_HOLD) {
		show_json_words(j, "approvers", (const char *const *)r->approvers);
		jsonw_int(j, "timeout_s", r->timeout_ms / 1000);
		jsonw_uint(j, "quorum", r->quorum);
		jsonw_array(j, "seats");
		for (const struct seat *s = r->seats; s && s->who; s++) {
			jsonw_object(j, NULL);
			jsonw_string(j, "who", slice_str(s->who));
			jsonw_uint(j, "n", s->n);
			jsonw_object_end(j);
		}
		jsonw_array_end(j);
		jsonw_bool(j, "reason_required", r->needs_reason);
		show_json_words(j, "break_glass", (const char *const *)r->break_glass);
		jsonw_int(j, "ticket_s", r->ticket_ms / 1000);
	}
	jsonw_string(j, "durability", slice_str(r->is_durable ? "power" : "process"));
	if (r->has_in_transaction)
		jsonw_string(j, "in_transaction", slice_str(ruling_keywords[r->in_transaction]));
	if (r->has_recording)
		jsonw_string(j, "record", slice_str(recording_keywords[r->recording]));
	jsonw_object_end(j);
}

static void show_json_mask(struct json *j, const struct mask_rule *m)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "name", slice_str(m->name));
	show_json_words(j, "columns", m->columns);
	jsonw_array(j, "detect");
	for (size_t i = 0; i < DETECTOR_N; i++)
		if (m->detectors & DETECTOR_BIT(i))
			jsonw_string(j, NULL, slice_str(detector_table[i].keyword));
	jsonw_array_end(j);
	jsonw_string(j, "as", slice_str(transform_keywords[m->as]));
	jsonw_string(j, "unproven", slice_str(unproven_keywords[m->unproven]));
	jsonw_string(j, "written_back", slice_str(written_back_keywords[m->written_back]));
	jsonw_object_end(j);
}

void show_policy_json(struct json *j, const struct policy *p, const char *path)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "file", slice_str(path));
	jsonw_string(j, "version", slice_str(p->version));
	jsonw_string(j, "mode", slice_str(p->is_observe ? "observe" : "enforce"));
	jsonw_object(j, "default");
	for (size_t e = 0; e < EFFECT_N; e++)
		jsonw_string(
			j, effect_table[e].keyword, slice_str(ruling_keywords[p->fallback[e]]));
	jsonw_object_end(j);
	jsonw_array(j, "resources");
	for (size_t i = 0; i < p->n_targets; i++)
		show_json_resource(j, &p->targets[i]);
	jsonw_array_end(j);
	jsonw_string(j, "in_run", slice_str(p->may_in_run ? "allow" : "deny"));
	jsonw_array(j, "inbound");
	for (size_t i = 0; i < p->n_inbound; i++) {
		char text[80];

		at_print(&p->inbound[i], text, sizeof(text));
		jsonw_string(j, NULL, slice_str(text));
	}
	jsonw_array_end(j);
	jsonw_array(j, "rules");
	for (size_t i = 0; i < p->n_rules; i++)
		show_json_rule(j, &p->rules[i]);
	jsonw_array_end(j);
	jsonw_array(j, "masks");
	for (size_t i = 0; i < p->n_masks; i++)
		show_json_mask(j, &p->masks[i].rule);
	jsonw_array_end(j);
	jsonw_object_end(j);
}

void show_policy_errors_json(struct json *j, const struct diag *d)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "file", slice_str(d->file));
	jsonw_uint(j, "n_errors", d->n);
	jsonw_array(j, "errors");
	for (size_t i = 0; i < d->n && i < DIAG_MAX; i++) {
		jsonw_object(j, NULL);
		jsonw_uint(j, "line", d->entries[i].line);
		jsonw_uint(j, "column", d->entries[i].col);
		jsonw_string(j, "text", slice_str(d->entries[i].text));
		jsonw_object_end(j);
	}
	jsonw_array_end(j);
	jsonw_object_end(j);
}
