#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The ledger of a real daemon, tampered with by somebody who may write the file: `audit verify` says where.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
config <<YAML
anchor: $G/anchor
anchor_command: "cat >> $G/anchor.out"
YAML
start_daemon || exit 1

keys() { echo --key "$G/keys/checkpoint.pub" --head "$G/keys/checkpoint.last"; }
# shellcheck disable=SC2046 # two options
verify() { hf audit verify $(keys) "$@"; }

# A few requests, one of them held and approved; then the daemon stops, and what it left is copied.
test_a_ledger_is_verified_while_the_daemon_runs_and_after_it() {
	for i in 1 2 3; do sql tam "SELECT $i /* tam */" > /dev/null; done
	bg held sql tam 'DELETE FROM orders WHERE id = 50 /* tam */'
	h=$(wait_hold tam)
	sleep 0.2 # condition helper: what takes so long is slow
	approve "$h" > /dev/null
	finish "$BG"
	wait_ledger "SELECT count(*) FROM replies p JOIN requests r ON r.id = p.request WHERE r.text LIKE '%tam */%'" 4
	assert_exit 0 verify
	assert_has "$OUT" 'verified: '
	wait_ledger 'SELECT count(*) > 0 FROM checkpoint' 1
	assert_exit 0 hf audit backup "$T/copy.db"
	assert_exit 1 hf audit backup "$T/copy.db"
	assert_exit 0 hf audit verify --key "$G/keys/checkpoint.pub" --ledger "$T/copy.db"
	assert_has "$(hf audit --ledger "$T/copy.db")" 'tam */'
	stop_daemon
	assert_exit 0 verify --anchor "$G/anchor"
	assert_lacks "$OUT" 'not signed yet' 'a daemon that stopped in peace has signed everything'
	assert_exit 0 verify --json
	echo "$OUT" | jq -es 'length == 1 and .[0].verified and .[0].heads == 1' > /dev/null
	# The anchor's command heard the same as its file.
	wait_until 5 cmp "$G/anchor" "$G/anchor.out"
	# Another program can check a signature with the public key alone.
	tail -n 1 "$G/anchor" > "$T/line"
	sed 's/ signature=.*//' "$T/line" | tr -d '\n' > "$T/text"
	sed 's/.* signature=//' "$T/line" | xxd -r -p > "$T/sig"
	openssl pkeyutl -verify -pubin -inkey "$G/keys/checkpoint.pub" -rawin -in "$T/text" -sigfile "$T/sig"
	cp -a "$G/ledger" "$G/kept"
}

# tampered NAME SQL: a copy with this done to it, and what verify says of it in $OUT.
tampered() {
	rm -rf "$T/copy"
	cp -a "$G/kept" "$T/copy"
	sqlite3 "$T/copy/ledger.db" "$2"
	assert_exit 1 verify --ledger "$T/copy/ledger.db"
	assert_has "$OUT" "$1"
	assert_has "$OUT" 'NOT verified'
}

# The scribe can die between a signature and its row: what that head covers is all here.
test_signed_head_without_its_row_is_no_cut() {
	cp -a "$G/kept" "$T/copy"
	sqlite3 "$T/copy/ledger.db" 'DELETE FROM checkpoint WHERE number = (SELECT max(number) FROM checkpoint)'
	assert_exit 0 verify --ledger "$T/copy/ledger.db"
}

test_each_kind_of_tampering_is_found_and_placed() {
	id=$(sqlite3 -readonly "$G/kept/ledger.db" "SELECT max(id) FROM request WHERE text LIKE '%DELETE%'")
	tampered "changed: request $id is not as it was written" "UPDATE request SET text = 'SELECT 1' WHERE id = $id"
	tampered "changed: decision 1 " "UPDATE decision SET user = 'nobody'"
	tampered "removed: decision 1 is gone" 'DELETE FROM decision'
	tampered "inserted: event " "INSERT INTO event (at, kind, run, session, detail) VALUES (1, 'x', 0, 0, '')"
	tampered "changed: request " "UPDATE request SET id = -1 WHERE id = 1; UPDATE request SET id = 1 WHERE id = 2; UPDATE request SET id = 2 WHERE id = -1"
	tampered 'gap: ' 'DELETE FROM chain WHERE first = (SELECT first FROM chain LIMIT 1 OFFSET 1)'
	tampered 'forged: checkpoint 1' 'UPDATE checkpoint SET signature = zeroblob(64) WHERE number = 1'
	tampered 'cut: ' "DELETE FROM checkpoint WHERE number = (SELECT max(number) FROM checkpoint);
		DELETE FROM chain WHERE first > (SELECT max(entry) FROM checkpoint)"
	rm -rf "$T/copy"
	cp -a "$G/kept" "$T/copy"
	truncate -s -8192 "$T/copy/ledger.db"
	assert_exit 1 verify --ledger "$T/copy/ledger.db"
	assert_exit 3 verify --ledger /etc/passwd
}

# forge FILE all|none: appends an event and its link as the scribe would, without the key. With `all` the
# event is that of a retention which has removed everything before, and everything is removed.
forge() {
	/usr/bin/python3 - "$@" <<-'PY'
	import sqlite3, hashlib, struct, sys, time
	db = sqlite3.connect(sys.argv[1]); c = db.cursor()
	H = lambda b: hashlib.sha256(b).digest()
	tables = ['', 'run', 'run_end', 'session', 'login', 'session_end', 'request', 'hold', 'decision', 'hold_end', 'reply', 'event']
	number, entry, head = c.execute('SELECT number, entry, head FROM checkpoint ORDER BY number DESC LIMIT 1').fetchone()
	kind, detail = 'nice', 'nothing happened'
	if sys.argv[2] == 'all':
	    kind, detail = 'pruned', f'entry={entry} checkpoint={number} rows=9000 carried=0 because=age'
	    for entries, in c.execute('SELECT entries FROM chain').fetchall():
	        for k, row in struct.iter_unpack('>BQ8x', entries):
	            if k: c.execute(f'DELETE FROM "{tables[k & 127]}" WHERE rowid = ?', (row,))
	    c.execute('DELETE FROM chain'); c.execute('DELETE FROM checkpoint WHERE number < ?', (number,))
	at = time.time_ns()
	c.execute("INSERT INTO event (at, kind, run, session, detail) VALUES (?, ?, 0, 0, ?)", (at, kind, detail))
	s = lambda t: struct.pack('>I', len(t)) + t.encode()
	e = bytes([11]) + struct.pack('>Q', c.lastrowid)
	leaf = H(e + struct.pack('>Q', at) + s(kind) + struct.pack('>QQ', 0, 0) + s(detail))
	new = H(head + struct.pack('>Q', entry + 1) + e + leaf + struct.pack('>Q', 1))
	c.execute('INSERT INTO chain VALUES (?, 1, ?, ?)', (entry + 1, e + leaf[:8], new))
	db.commit()
	PY
}

# Put in the ledger's place, it is found at once, at the next start, and for ever.
put_in_its_place() {
	rm -rf "$G/ledger"
	cp -a "$T/copy" "$G/ledger"
	start_daemon
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'ledger-extended'" 1
	sql tam "SELECT 4 /* younger */" > /dev/null
	stop_daemon
}
take_away() {
	rm -rf "$G/ledger" "$G/keys"
	cp -a "$G/kept" "$G/ledger"
	cp -a "$G/kept.keys" "$G/keys"
}

test_removal_that_looks_like_retention_is_found() {
	cp -a "$G/kept" "$T/copy"
	cp -a "$G/keys" "$G/kept.keys"
	forge "$T/copy/ledger.db" all
	assert_exit 1 verify --ledger "$T/copy/ledger.db"
	assert_has "$OUT" 'gap: links of the chain are gone (entries 1-'
	assert_has "$OUT" 'pruned: event '
	assert_has "$OUT" 'extended: rows were appended while nothing ran that may'
	put_in_its_place
	assert_exit 1 verify
	assert_has "$OUT" 'gap: links of the chain are gone (entries 1-'
	assert_has "$OUT" 'extended: event '
	take_away
}

# The rows are all there; but not what `audit` shows of them.
test_what_people_look_at_is_compared_with_the_rows() {
	sql=$(sqlite3 "$G/kept/ledger.db" "SELECT sql FROM sqlite_schema WHERE name = 'requests'")
	tampered 'schema: view requests is not as this version makes it' "DROP VIEW requests;
		$sql WHERE request.text NOT LIKE '%DELETE%'"
	assert_lacks "$(hf audit --ledger "$T/copy/ledger.db")" DELETE 'that it was worth it'
	tampered 'unfound: request ' "INSERT INTO words (words) VALUES ('delete-all')"
	tampered 'unsigned: ' 'DELETE FROM checkpoint WHERE number = 1'
}

# The rows are all there, and in every index; but a search by time, or for slow ones, passes them over.
test_what_hides_rows_from_a_search_is_found() {
	id=$(sqlite3 -readonly "$G/kept/ledger.db" "SELECT max(id) FROM request WHERE text LIKE '%DELETE%'")
	assert_has "$(hf audit --ledger "$G/kept/ledger.db" --since 1h)" DELETE
	tampered 'unfound: request 1 (by its time, table zone)' \
		"UPDATE zone SET first = 1, last = 1 WHERE kind = 6"
	assert_lacks "$(hf audit --ledger "$T/copy/ledger.db" --since 1h)" DELETE 'that it was worth it'
	tampered 'unfound: event 1 (by its time, table zone)' 'DELETE FROM zone WHERE kind = 11'
	assert_has "$(hf audit --ledger "$G/kept/ledger.db" --slower 150ms)" DELETE
	tampered "unfound: request $id (by how long it took, table slow)" "DELETE FROM slow WHERE request = $id"
	assert_lacks "$(hf audit --ledger "$T/copy/ledger.db" --slower 150ms)" DELETE
	tampered 'inserted: what table slow says of request 1 ' 'INSERT INTO slow (us, request) VALUES (500000, 1)'
	OUT=$(hf audit verify --json --key "$G/keys/checkpoint.pub" --ledger "$T/copy/ledger.db" || true)
	echo "$OUT" | jq -es '.[0].finding == "inserted" and .[0].table == "request" and .[0].id == 1' > /dev/null
}

test_row_appended_while_nothing_runs_is_found() {
	cp -a "$G/kept" "$T/copy"
	forge "$T/copy/ledger.db" none
	assert_exit 1 verify --ledger "$T/copy/ledger.db"
	assert_has "$OUT" 'extended: rows were appended while nothing ran that may'
	put_in_its_place
	assert_exit 1 verify
	assert_has "$OUT" 'extended: event '
	take_away
	assert_exit 0 verify
}

test_an_older_copy_put_in_its_place_is_found() {
	start_daemon
	sql tam "SELECT 4 /* younger */" > /dev/null
	stop_daemon
	rm -rf "$G/ledger"
	cp -a "$G/kept" "$G/ledger"
	assert_exit 1 verify
	assert_has "$OUT" 'cut: '
	# The next start says so in the ledger itself, and the hole stays visible for ever.
	start_daemon
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'ledger-cut'" 1
	sql tam "SELECT 5 /* after */" > /dev/null
	stop_daemon
	assert_exit 1 verify
	assert_has "$OUT" 'unsigned: checkpoints between two others are gone'
}

test_another_ledger_in_its_place_is_told() {
	rm -rf "$G/ledger"
	start_daemon
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'ledger-replaced'" 1
	stop_daemon
	assert_exit 0 verify
	assert_exit 1 hf audit verify --key "$G/keys/checkpoint.pub" --head "$G/keys/checkpoint.last" --ledger "$G/kept/ledger.db"
	assert_has "$OUT" 'other: '
}

test_the_key_is_roots_alone() {
	assert_eq "$(stat -c %a:%u "$G/keys/checkpoint.key")" 600:0
	assert_eq "$(stat -c %a:%u "$G/keys/ledger.key")" 600:0
	assert_eq "$(stat -c %a:%u "$G/keys")" 755:0
	start_daemon
	assert_exit 2 in_run peek -- ls "$G/keys/checkpoint.pub"
	for pid in $(enforcer_pid) $(scribe_pid); do
		if find "/proc/$pid/fd" -lname "$G/keys/*" | grep -q .; then fail "$pid has a key open"; fi
	done
}


# Who parses foreign bytes, or owns the database, holds neither the key that signs nor others' rings.
in_memory() { # FILE PID…: the pids whose memory has the bytes of that file
	/usr/bin/python3 - "$@" <<-'PY'
	import sys
	secret = open(sys.argv[1], "rb").read()
	for pid in sys.argv[2:]:
	    with open(f"/proc/{pid}/maps", encoding="utf8") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
	        for line in maps:
	            span, mode = line.split()[:2]
	            if mode[0] != "r" or "[v" in line:
	                continue
	            first, end = (int(x, 16) for x in span.split("-"))
	            if end - first > 1 << 30:
	                continue  # what a sanitizer keeps books in
	            try:
	                mem.seek(first)
	                if secret in mem.read(end - first):
	                    print(pid)
	                    break
	            except OSError:
	                pass
	PY
}
test_only_the_warden_has_the_key_that_signs() {
	is_up > /dev/null 2>&1 || start_daemon
	sql keys 'SELECT 1' > /dev/null
	wait_ledger 'SELECT count(*) > 0 FROM checkpoint' 1
	assert_eq "$(in_memory "$G/keys/checkpoint.key" "$(daemon_pid)")" "$(daemon_pid)" 'the scan finds nothing'
	# shellcheck disable=SC2046 # pids
	assert_eq "$(in_memory "$G/keys/checkpoint.key" $(enforcer_pid) $(scribe_pid))" ''
	assert_eq "$(in_memory "$G/keys/ledger.key" "$(scribe_pid)")" ''
	# Ring 0 is the warden's; a worker's is mapped once each.
	assert_eq "$(grep -c '/00\.ring' "/proc/$(enforcer_pid)/maps" || true)" 0
	assert_eq "$(grep -c '/01\.ring' "/proc/$(enforcer_pid)/maps")" 2
	# The same for those that take their places while the warden has signed for a while.
	kill_one scribe_pid
	wait_until 15 is_replaced scribe_pid
	kill_one enforcer_pid
	wait_until 15 is_replaced enforcer_pid
	# shellcheck disable=SC2046 # pids
	assert_eq "$(in_memory "$G/keys/checkpoint.key" $(enforcer_pid) $(scribe_pid))" ''
	stop_daemon
}

run_tests
