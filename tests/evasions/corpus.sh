#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The corpus: what an agent tries in order to write where it may only read, or to see what is masked, and
# what looks like it and is harmless. Every case is a conversation with the real server through a
# controlled run; the server's state and the bytes that arrived are the judge (judge.py). The tables are
# the *.cases files; play.py says how they read. CASES='pattern' picks some.
. "$(dirname "$0")/../e2e/lib.sh"

TEST_SECS=300
HERE=$E2E_ROOT/tests/evasions
policy <<YAML
version: 1
default: {read: allow, session: allow, other: deny}
resources:
  - name: plain
    at: ["127.0.0.1:$E2E_PGPORT"]
    protocol: postgres
    tags: [db]
  - name: masked
    at: ["127.0.0.2:$E2E_PGPORT"]
    protocol: postgres
    tags: [db, masked]
rules:
  - name: scratch-is-free
    when: {object: "scratch.*", effect: [insert, update, delete, destroy, define, import, export]}
    then: allow
  - name: vault-is-closed
    when: {object: vault_keys}
    then: deny
  - name: what-is-masked-may-leave
    when: {effect: export, tag: masked}
    then: allow
  - name: notes-may-leave
    when: {effect: export, object: "public.notes"}
    then: allow
masks:
  - name: people
    when: {tag: masked}
    columns: ["public.people.ssn", "public.people.pin"]
    as: redact
    unproven: redact
YAML
if [ -n "${WITH_CATALOG:-}" ]; then
	printf '%s\n' scram-secret > "$G/scram.secret"
	printf '%s' md5-secret > "$G/md5.secret"
	chmod 600 "$G"/*.secret
	config <<-YAML
	catalog:
	  - {resource: plain, user: scram_user, password_file: $G/scram.secret}
	  - {resource: masked, user: md5_user, password_file: $G/md5.secret}
	YAML
fi
start_daemon || exit 1

play() { /usr/bin/python3 "$HERE/play.py" "$@"; }

psql_as_admin() { psql -Xq -h "$E2E_PGSOCK" -U postgres -d shop "$@"; }
database() { [ "$1" = masked ] && echo masked || echo shop; }
server() { # FOLDER PORT [LOG]
	pg_as "$PGBIN/pg_ctl" -s -w -t 60 -D "$1" -l "${3:-$1.log}" -o "-p $2 $PG_OPTIONS" start > /dev/null
}
stop_direct() {
	[ ! -e "$G/direct-pg/postmaster.pid" ] || pg_as "$PGBIN/pg_ctl" -s -D "$G/direct-pg" -m immediate stop
	clean_group
}
trap stop_direct EXIT

# One server for the agent, and a copy of it for a direct client that does the same.
world() {
	mkdir "$T/files" && chown postgres "$T/files"
	for f in "$HERE"/*.cases; do sed "s|FILES/|$T/files/|" "$f" > "$T/$(basename "$f")"; done
	cp "$HERE"/*.py "$T" && chmod a+r "$T"/*
	# Where there are masks there is another database: the code that some cases lay out in the first makes
	# every expression look like somebody's code.
	psql_as_admin -p "$E2E_PGPORT" -v ON_ERROR_STOP=1 -f "$HERE/world.sql" > "$T/setup.out"
	DB=postgres admin 'CREATE DATABASE masked TEMPLATE shop' > /dev/null
	for where in plain masked; do
		play setup "$where" "$T"/*.cases > "$T/setup-$where.sql"
		psql_as_admin -d "$(database "$where")" -p "$E2E_PGPORT" -v ON_ERROR_STOP=1 -f "$T/setup-$where.sql" >> "$T/setup.out"
	done
	pg_as "$PGBIN/pg_ctl" -s -D "$E2E_TMP/pg" -m fast stop > /dev/null
	cp -a "$E2E_TMP/pg" "$G/direct-pg"
	server "$E2E_TMP/pg" "$E2E_PGPORT" "$E2E_PGLOG"
	DIRECT=$(free_port)
	: > "$G/direct-pg.log" && chown postgres "$G/direct-pg.log"
	server "$G/direct-pg" "$DIRECT"
}
# played WAY PORT PREFIX…: all cases, then what became of the server.
played() {
	local way=$1 port=$2 ears
	shift 2
	mkdir -m 777 "$T/$way"
	bg "ears-$way" /usr/bin/python3 "$HERE/judge.py" listen "$E2E_PGSOCK" "$port"
	ears=$BG
	wait_until 20 file_has "$T/ears-$way.out" listening
	"$@" /usr/bin/python3 "$T/play.py" "$way" 127.0.0.1 "$port" "$T/$way" "$T"/*.cases > "$T/$way.out" 2>&1
	psql_as_admin -p "$port" -c 'NOTIFY ears_end' && finish "$ears"
	for where in plain masked; do
		play state "$where" "$T"/*.cases > "$T/state.sql"
		psql_as_admin -d "$(database "$where")" -At -p "$port" -v dir="$T/files" -f "$T/state.sql" 2>> "$T/state-$way.errors"
	done > "$T/state-$way"
	rm -f "$T/files"/*
}

test_corpus() {
	world
	played agent "$E2E_PGPORT" in_run evader --
	played direct "$DIRECT"
	/usr/bin/python3 "$HERE/judge.py" judge "$T" "$T"/*.cases > "$T/verdict" || fail "$(cat "$T/verdict")"
	tail -n 1 "$T/verdict" >> "$E2E_TMP/numbers"
}

# In the world that the corpus left.
test_portal_executed_again_after_a_policy_change() {
	mkdir -m 777 "$T/agent"
	cp "$HERE"/*.py "$T" && chmod a+r "$T"/*
	cat > "$T/late.txt" <<-'CASE'
	@ plain
	evade portal, rule, portal:
	Q BEGIN
	P s SELECT id FROM parts ORDER BY id
	B p s
	E p 3
	S
	pause
	E p 3
	S
	CASE
	bg agent in_run evader -- /usr/bin/python3 "$T/play.py" agent 127.0.0.1 "$E2E_PGPORT" "$T/agent" "$T/late.txt"
	wait_until 30 test -e "$T/agent/paused"
	cp "$G/policy.yaml" "$T/keep.yaml"
	sed 's/^rules:/rules:\n  - name: lockdown\n    when: {object: parts}\n    then: deny/' "$T/keep.yaml" > "$G/policy.yaml"
	hf reload
	touch "$T/agent/go"
	finish "$BG" 60
	cp "$T/keep.yaml" "$G/policy.yaml"
	hf reload
	assert_eq "$(grep -c '^0D.*x00' "$T/agent/000")" 3
	assert_has "$(cat "$T/agent/000")" lockdown
}

run_tests
