/* SPDX-License-Identifier: Apache-2.0 */
/* Every message about a bad policy, with the place it points at. */
#include "policy_util.h"

#define HEAD "version: 1\ndefault: hold\n"
#define DB   "resources:\n- {name: db, at: '127.0.0.1:5432', protocol: postgres, tags: prod}\n"

struct error_case {
	const char *name, *text, *errors;
};

static void check(const struct error_case *cases, size_t n)
{
	char buf[16 * 1024];

	for (size_t i = 0; i < n; i++) {
		const char *got = pt_errors(cases[i].text, 0, buf, sizeof(buf));

		cr_expect_str_eq(got, cases[i].errors, "%s:\n got: %swant: %s", cases[i].name, got,
			cases[i].errors);
	}
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof(*(cases)))

static const struct error_case yaml_cases[] = {
	{"empty", "", "0:0: the file is empty\n"},
	{"comment only", "# nothing\n", "0:0: the file is empty\n"},
	{"scalar", "hello\n", "1:1: policy: expected a map, found \"hello\"\n"},
	{"bad indent", "version: 1\n default: hold\n",
		"2:9: not YAML: mapping values are not allowed in this context\n"},
	{"open list", HEAD "rules: [\n",
		"4:1: not YAML: did not find expected node content, while parsing a flow node\n"},
	{"tab", "version: 1\n\tdefault: hold\n",
		"2:1: not YAML: found a tab character that violates indentation, while scanning a "
		"plain scalar\n"},
	{"not UTF-8", "version: 1\nmode: \xff\n", "2:7: not YAML: invalid leading UTF-8 octet\n"},
	{"control character", "version: 1\nmode: a\x01\n",
		"2:8: not YAML: control characters are not allowed\n"},
	{"escaped control character", HEAD "mode: \"\\e[2J\"\n",
		"3:7: control characters are not allowed\n"},
	{"NUL", HEAD "mode: \"enforce\\0x\"\n", "3:7: control characters are not allowed\n"},
	{"anchor", HEAD "mode: &a enforce\n",
		"3:7: anchors (&name) are not allowed: write the value out\n"},
	{"alias", HEAD "mode: *a\n", "3:7: aliases (*name) are not allowed: write the value out\n"},
	{"tag", HEAD "mode: !!str enforce\n", "3:7: tags (!name) are not allowed\n"},
	{"tag on a list", HEAD "rules: !x []\n",
		"3:8: tags (!name) are not allowed\n3:8: rules: the list is empty: fill it or "
		"leave the key out\n"},
	{"two documents", HEAD "---\nversion: 1\n",
		"3:1: a policy is one document: remove the second `---`\n"},
	{"directive", "%YAML 1.1\n---\n" HEAD, "1:1: directives (%YAML, %TAG) are not allowed\n"},
	{"duplicate key", HEAD "version: 1\n", "3:1: key \"version\" is already set in line 1\n"},
	{"list as key", HEAD "[a]: b\n", "3:1: a key must be a word\n"},
	{"merge key", HEAD "<<: {}\n",
		"3:1: policy: unknown key \"<<\"; known: version, mode, default, resources, "
		"dns, in_run, inbound, rules, masks\n"},
	{"too deep", HEAD "rules: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n",
		"3:23: nested more than 16 levels deep\n"},
};

Test(policy_errors, what_is_not_plain_yaml_is_refused)
{
	CHECK(yaml_cases);
}

static const struct error_case top_cases[] = {
	{"nothing needed is there", "mode: enforce\n",
		"1:1: policy: key \"version\" is missing\n1:1: policy: key \"default\" is "
		"missing\n"},
	{"version 2", "version: 2\ndefault: deny\n",
		"1:10: version: this holdfast reads version 1\n"},
	{"version as text", "version: '1'\ndefault: deny\n",
		"1:10: version: expected a number up to 1000, found \"1\"\n"},
	{"version with zero", "version: 01\ndefault: deny\n",
		"1:10: version: expected a number up to 1000, found \"01\"\n"},
	{"mistyped key", HEAD "resorces: []\n",
		"3:1: policy: unknown key \"resorces\"; did you mean \"resources\"?\n"},
	{"unknown key", HEAD "includes: x\n",
		"3:1: policy: unknown key \"includes\"; known: version, mode, default, resources, "
		"dns, in_run, inbound, rules, masks\n"},
	{"inbound over UDP", HEAD "inbound: [\"10.0.0.0/8:53/udp\", \"UDP:10.0.0.0/8:53\"]\n",
		"3:11: inbound: \"10.0.0.0/8:53/udp\": only TCP can be let in: nobody's datagrams "
		"reach a run\n"
		"3:32: inbound: \"UDP:10.0.0.0/8:53\": only TCP can be let in: nobody's datagrams "
		"reach a run\n"},
	{"mode", HEAD "mode: enforced\n",
		"3:7: mode: unknown value \"enforced\"; did you mean \"enforce\"?\n"},
	{"default short", "version: 1\ndefault: block\n",
		"2:10: default: unknown value \"block\"; known: allow, hold, deny\n"},
	{"default list", "version: 1\ndefault: [hold]\n",
		"2:10: default: expected a word, found a list\n"},
	{"default allows unknown", "version: 1\ndefault: allow\n",
		"2:10: default: this allows what is not understood, too: set \"unknown\" by "
		"itself\n"},
	{"other allows unknown", "version: 1\ndefault: {other: allow, read: hold}\n",
		"2:18: default: this allows what is not understood, too: set \"unknown\" by "
		"itself\n"},
	{"default effect", "version: 1\ndefault: {raed: allow, other: hodl}\n",
		"2:11: default: unknown value \"raed\"; did you mean \"read\"?\n"
		"2:31: other: unknown value \"hodl\"; did you mean \"hold\"?\n"},
	{"default without other", "version: 1\ndefault: {read: allow}\n",
		"2:10: default: key \"other\" is missing: what about the effects not named?\n"},
	{"empty rules", HEAD "rules:\n", "3:7: rules: expected a list, found nothing\n"},
	{"rules as map", HEAD "rules: {name: x}\n", "3:8: rules: expected a list, found a map\n"},
	{"rule as word", HEAD "rules: [x]\n", "3:9: rule: expected a map, found \"x\"\n"},
};

Test(policy_errors, top_level)
{
	CHECK(top_cases);
}

#define RES(fields) HEAD "resources:\n- {name: db, protocol: postgres, " fields "}\n"

static const struct error_case resource_cases[] = {
	{"all missing", HEAD "resources:\n- {}\n",
		"4:3: resource: key \"name\" is missing\n4:3: resource: key \"at\" is missing\n"
		"4:3: resource: key \"protocol\" is missing\n"},
	{"name", HEAD "resources:\n- {name: Orders DB, at: 'a:1', protocol: postgres}\n",
		"4:10: name: a name has only a-z, 0-9, _ and -, not \"Orders DB\"\n"},
	{"twice", HEAD DB "- {name: db, at: '10.0.0.1:1', protocol: postgres}\n",
		"5:3: resource \"db\" is already defined in line 4\n"},
	{"protocol", HEAD "resources:\n- {name: db, at: 'a:1', protocol: postgre}\n",
		"4:35: protocol: unknown value \"postgre\"; did you mean \"postgres\"?\n"},
	{"tls", RES("at: 'a:1', tls: off"),
		"4:50: tls: unknown value \"off\"; known: inspect, passthrough, refuse\n"},
	{"via", RES("at: 'a:1', via: container"),
		"4:50: via: unknown value \"container\"; known: agent, host\n"},
	{"unix_auth", RES("at: 'unix:/a', unix_auth: me"),
		"4:60: unix_auth: \"me\": expected enforcer, agent or user:NAME\n"},
	{"unix_auth root", RES("at: 'unix:/a', unix_auth: 'user:root'"),
		"4:60: unix_auth: nobody is root for an agent\n"},
	{"unix_auth without a socket", RES("at: 'a:1', unix_auth: agent"),
		"4:3: unix_auth: `at` names no unix socket\n"},
	{"tag", RES("at: 'a:1', tags: [a, B]"),
		"4:55: tags: a name has only a-z, 0-9, _ and -, not \"B\"\n"},
	{"at empty list", RES("at: []"),
		"4:38: at: the list is empty: fill it or leave the key out\n"},
	{"at without port", RES("at: db.internal"),
		"4:38: at: \"db.internal\": expected host:port, address:port, [v6]:port, "
		"network/bits:port or unix:/path\n"},
	{"at port", RES("at: 'db:70000'"),
		"4:38: at: \"db:70000\": a port is 1 to 65535, or * for any\n"},
	{"at port 0", RES("at: 'db:0'"),
		"4:38: at: \"db:0\": a port is 1 to 65535, or * for any\n"},
	{"at address", RES("at: '10.0.0.256:1'"),
		"4:38: at: \"10.0.0.256:1\": not an IP address\n"},
	{"at prefix", RES("at: '10.0.0.0/33:1'"),
		"4:38: at: \"10.0.0.0/33:1\": a prefix is /0 to /32\n"},
	{"at v6 prefix", RES("at: '[fd00::/129]:1'"),
		"4:38: at: \"[fd00::/129]:1\": a prefix is /0 to /128\n"},
	{"at host bits", RES("at: '10.0.0.5/8:1'"),
		"4:38: at: \"10.0.0.5/8:1\": bits are set behind the prefix: write the network's "
		"own address\n"},
	{"at bare v6", RES("at: '::1:5432'"),
		"4:38: at: \"::1:5432\": put an IPv6 address into brackets: [::1]:5432\n"},
	{"at any host", RES("at: '*:5432'"),
		"4:38: at: \"*:5432\": for any host write 0.0.0.0/0 or [::/0]\n"},
	{"at relative path", RES("at: 'unix:x.sock'"),
		"4:38: at: \"unix:x.sock\": a socket path is absolute, shorter than 108 bytes, and "
		"has no . or .. in it; an abstract name begins with @\n"},
	{"at dots", RES("at: 'unix:/run/../x'"),
		"4:38: at: \"unix:/run/../x\": a socket path is absolute, shorter than 108 bytes, "
		"and has no . or .. in it; an abstract name begins with @\n"},
	{"same address", HEAD DB "- {name: b, at: '127.0.0.1:5432', protocol: opaque}\n",
		"5:17: at: 127.0.0.1:5432 belongs to resource \"db\" (line 4) already\n"},
	{"same address, mapped",
		HEAD DB "- {name: b, at: '[::ffff:127.0.0.1]:5432', protocol: opaque}\n",
		"5:17: at: 127.0.0.1:5432 belongs to resource \"db\" (line 4) already\n"},
};

Test(policy_errors, resources)
{
	CHECK(resource_cases);
}

Test(policy_errors, names_that_do_not_resolve_are_errors_only_when_looked_up)
{
	static const char text[] = RES("at: 'does-not-exist.invalid:5432'");
	char buf[1024];

	cr_expect_str_eq(pt_errors(text, 0, buf, sizeof(buf)), "");
	pt_errors(text, POLICY_RESOLVE, buf, sizeof(buf));
	cr_expect(!strncmp(buf, "4:38: at: \"does-not-exist.invalid\" does not resolve: ", 52),
		"%s", buf);
}

#define RULE(fields) HEAD DB "rules:\n- {name: r, " fields "}\n"

static const struct error_case rule_cases[] = {
	{"all missing", HEAD "rules:\n- {}\n",
		"4:3: rule: key \"name\" is missing\n4:3: rule: key \"when\" is missing\n"
		"4:3: rule: key \"then\" is missing\n"},
	{"reserved name", HEAD "rules:\n- {name: default, when: {}, then: deny}\n",
		"4:10: name: \"default\" is what rulings by `default:` are called\n"},
	{"twice",
		HEAD
		"rules:\n- {name: r, when: {}, then: deny}\n- {name: r, when: {}, then: hold}\n",
		"5:3: rule \"r\" is already defined in line 4\n"},
	{"then", RULE("when: {}, then: dney"),
		"6:29: then: unknown value \"dney\"; did you mean \"deny\"?\n"},
	{"effect", RULE("when: {effect: [drop, delte]}, then: deny"),
		"6:29: effect: unknown value \"drop\"; known: read, session, insert, update, "
		"delete, destroy, define, grant, execute, admin, export, import, unknown\n"
		"6:35: effect: unknown value \"delte\"; did you mean \"delete\"?\n"},
	{"effect other", RULE("when: {effect: other}, then: deny"),
		"6:28: effect: unknown value \"other\"; known: read, session, insert, update, "
		"delete, destroy, define, grant, execute, admin, export, import, unknown\n"},
	{"condition", RULE("when: {tags: prod}, then: deny"),
		"6:20: when: unknown key \"tags\"; did you mean \"tag\"?\n"},
	{"empty condition", RULE("when: {object: ''}, then: deny"),
		"6:28: object: expected a word or a list of words, found nothing\n"},
	{"quotes in an object", RULE("when: {object: 'a.\"b\"'}, then: deny"),
		"6:28: object: no quotes here; for a dot inside a name write ?\n"},
	{"bounded as word", RULE("when: {effect: delete, bounded: no}, then: deny"),
		"6:45: bounded: expected true or false, found \"no\"\n"},
	{"bounded quoted", RULE("when: {effect: delete, bounded: 'false'}, then: deny"),
		"6:45: bounded: expected true or false, found \"false\"\n"},
	{"bounded alone", RULE("when: {bounded: false}, then: deny"),
		"6:29: bounded: says something of update and delete only: write `effect: [update, "
		"delete]`, or one of them, beside it\n"},
	{"bounded with read", RULE("when: {effect: [read, delete], bounded: false}, then: deny"),
		"6:53: bounded: says something of update and delete only: write `effect: [update, "
		"delete]`, or one of them, beside it\n"},
	{"unless empty", RULE("when: {}, unless: {}, then: deny"),
		"6:31: unless: is empty, which would exempt everything\n"},
	{"tag typo", RULE("when: {tag: prd}, then: deny"),
		"6:25: tag: no resource has the tag \"prd\"; did you mean \"prod\"?\n"},
	{"tag of nobody", RULE("when: {}, unless: {tag: ['x*']}, then: deny"),
		"6:38: tag: no resource has the tag \"x*\"\n"},
	{"resource typo", RULE("when: {resource: dbb}, then: deny"),
		"6:30: resource: no resource is called \"dbb\"; did you mean \"db\"?\n"},
	{"protocol", RULE("when: {protocol: mysql}, then: deny"),
		"6:30: protocol: unknown value \"mysql\"; known: postgres, opaque\n"},
	{"approver", RULE("when: {}, then: hold, approvers: [dba, 'group:', user:a]"),
		"6:47: approvers: expected user:NAME or group:NAME, found \"dba\"\n"
		"6:52: approvers: expected user:NAME or group:NAME, found \"group:\"\n"},
	{"quorum of nobody", RULE("when: {}, then: hold, quorum: 0"),
		"6:43: quorum: nobody is no quorum\n"},
	{"quorum of too many", RULE("when: {}, then: hold, quorum: 17"),
		"6:43: quorum: expected a number up to 16, found \"17\"\n"},
	{"quorum out of reach", RULE("when: {}, then: hold, approvers: [user:a], quorum: 2"),
		"6:46: quorum: 2 of 1 people can never be reached\n"},
	{"quorum of groups", RULE("when: {}, then: hold, quorum: {dba: 1}"),
		"6:44: quorum: expected user:NAME or group:NAME, found \"dba\"\n"},
	{"one person twice", RULE("when: {}, then: hold, quorum: {user:a: 2}"),
		"6:43: quorum: 2 of 1 people can never be reached\n"
		"6:43: quorum: user:a is one person, not 2\n"},
	{"reason", RULE("when: {}, then: hold, reason: true"),
		"6:43: reason: unknown value \"true\"; known: optional, required\n"},
	{"break_glass", RULE("when: {}, then: hold, break_glass: [oncall]"),
		"6:49: break_glass: expected user:NAME or group:NAME, found \"oncall\"\n"},
	{"timeout", RULE("when: {}, then: hold, timeout: 30"),
		"6:44: timeout: expected a time such as 30s, 30m or 2h, at most 168h, found "
		"\"30\"\n"},
	{"timeout too long", RULE("when: {}, then: hold, timeout: 169h"),
		"6:44: timeout: expected a time such as 30s, 30m or 2h, at most 168h, found "
		"\"169h\"\n"},
	{"timeout zero", RULE("when: {}, then: hold, timeout: 0s"),
		"6:44: timeout: expected a time such as 30s, 30m or 2h, at most 168h, found "
		"\"0s\"\n"},
	{"durability", RULE("when: {}, then: deny, durability: disk"),
		"6:47: durability: unknown value \"disk\"; known: process, power\n"},
	{"record", RULE("when: {}, then: allow, record: all"),
		"6:44: record: unknown value \"all\"; known: none, summary, head, full\n"},
	{"ticket", RULE("when: {}, then: hold, ticket: true"),
		"6:43: ticket: expected a time such as 30s, 30m or 2h, at most 168h, found "
		"\"true\"\n"},
	{"unknown key", RULE("when: {}, then: hold, tickets: 1h, x: 1"),
		"6:35: rule: unknown key \"tickets\"; did you mean \"ticket\"?\n"
		"6:48: rule: unknown key \"x\"; known: name, when, unless, then, message, "
		"approvers, quorum, reason, break_glass, timeout, ticket, durability, "
		"in_transaction, record\n"},
	{"in_transaction that is not stricter", RULE("when: {}, then: hold, in_transaction: hold"),
		"6:51: in_transaction: must be stricter than `then`\n"},
	{"hold keys without hold",
		RULE("when: {}, then: deny, approvers: user:a, quorum: 1, timeout: 1m"),
		"6:46: approvers: only for `then: hold`\n6:62: quorum: only for `then: hold`\n"
		"6:74: timeout: only for `then: hold`\n"},
	{"message of an allow rule", RULE("when: {}, then: allow, message: hi"),
		"6:45: message: nobody would see it, the rule allows\n"},
	{"message as list", RULE("when: {}, then: deny, message: [hi]"),
		"6:44: message: expected text, found a list\n"},
};

Test(policy_errors, rules)
{
	CHECK(rule_cases);
}

#define MASK(fields) HEAD DB "masks:\n- {name: m, " fields "}\n"

static const struct error_case mask_cases[] = {
	{"nothing to mask", MASK("as: null"), "6:3: mask: needs `columns`, `detect` or both\n"},
	{"no name", HEAD DB "masks:\n- {columns: a.b.c}\n", "6:3: mask: key \"name\" is missing\n"},
	{"twice", MASK("detect: email") "- {name: m, detect: iban}\n",
		"7:3: mask \"m\" is already defined in line 6\n"},
	{"column without table", MASK("columns: [ssn]"),
		"6:23: columns: expected schema.table.column; for any table write \"*.ssn\"\n"},
	{"detector", MASK("detect: [emial]"),
		"6:22: detect: unknown value \"emial\"; did you mean \"email\"?\n"},
	{"as", MASK("detect: email, as: blank"),
		"6:32: as: unknown value \"blank\"; known: redact, partial, hash, null\n"},
	{"unproven", MASK("detect: email, unproven: allow"),
		"6:38: unproven: unknown value \"allow\"; known: redact, hold, deny\n"},
	{"filters_on allows", RULE("when: {filters_on: '*.ssn'}, then: allow"),
		"6:32: filters_on: only in the `when` of a rule that holds or denies\n"},
	{"filters_on in unless", RULE("when: {}, unless: {filters_on: masked}, then: deny"),
		"6:44: filters_on: only in the `when` of a rule that holds or denies\n"},
	{"filters_on with quotes", RULE("when: {filters_on: '\"a\".b'}, then: deny"),
		"6:32: filters_on: a column, table.column or schema.table.column without quotes, "
		"or "
		"`masked`\n"},
	{"filters_on with too many parts", RULE("when: {filters_on: a.b.c.d}, then: deny"),
		"6:32: filters_on: a column, table.column or schema.table.column without quotes, "
		"or "
		"`masked`\n"},
	{"filters_on nothing", RULE("when: {filters_on: [a..b]}, then: deny"),
		"6:33: filters_on: a column, table.column or schema.table.column without quotes, "
		"or "
		"`masked`\n"},
	{"unproven: a list", MASK("detect: email, unproven: [redact]"),
		"6:38: unproven: expected a word, found a list\n"},
	{"when", MASK("detect: email, when: {effect: read}"),
		"6:35: when: unknown key \"effect\"; known: tag, resource\n"},
	{"tag typo", MASK("detect: email, when: {tag: prods}"),
		"6:40: tag: no resource has the tag \"prods\"; did you mean \"prod\"?\n"},
	{"contents of what is opaque",
		HEAD "resources:\n- {name: x, at: '10.0.0.1:1', protocol: opaque, record: head}\n",
		"4:3: record: what passes as `protocol: opaque` has no contents that could be "
		"masked first\n"},
	{"only opaque",
		HEAD "resources:\n- {name: x, at: '10.0.0.1:1', protocol: opaque}\nmasks:\n- "
		     "{name: m, detect: email}\n",
		"6:3: mask: no resource that can be masked (not `protocol: opaque`) matches\n"},
};

Test(policy_errors, masks)
{
	CHECK(mask_cases);
}

Test(policy_errors, all_of_them_in_one_run_from_the_top)
{
	char buf[4096];

	cr_expect_str_eq(pt_errors("version: 3\nmode: watch\nrules:\n"
				   "- {name: a, when: {tagg: x}, then: dny}\n"
				   "- {name: a, wen: {}, then: hold, quorum: 33}\n"
				   "resources:\n- {name: db, at: 'db', protocol: pg}\n",
				 0, buf, sizeof(buf)),
		"1:1: policy: key \"default\" is missing\n"
		"1:10: version: this holdfast reads version 1\n"
		"2:7: mode: unknown value \"watch\"; known: enforce, observe\n"
		"4:20: when: unknown key \"tagg\"; did you mean \"tag\"?\n"
		"4:36: then: unknown value \"dny\"; did you mean \"deny\"?\n"
		"5:3: rule: key \"when\" is missing\n"
		"5:3: rule \"a\" is already defined in line 4\n"
		"5:13: rule: unknown key \"wen\"; did you mean \"when\"?\n"
		"5:42: quorum: expected a number up to 16, found \"33\"\n"
		"7:18: at: \"db\": expected host:port, address:port, [v6]:port, network/bits:port "
		"or unix:/path\n"
		"7:34: protocol: unknown value \"pg\"; known: postgres, opaque\n");
}

Test(policy_errors, sizes_are_capped)
{
	enum { BIG = 1024 * 1024 + 1 };
	static char text[BIG + 1];
	struct policy *p = NULL;
	struct diag d;

	memset(text, '#', BIG);
	diag_init(&d, "big.yaml", SLICE_NULL);
	cr_expect_eq(policy_load(slice_of(text, BIG), 0, &d, &p), POLICY_E_BAD);
	cr_expect_str_eq(d.entries[0].text, "larger than 1 MiB");
}
