#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who may approve, how many it takes, what an approval covers, and what people are told (P5).
. "$(dirname "$0")/lib.sh"

# People of this file, who exist while it runs: ann and bob are of dba, sid is of sec.
S=$TEST_SLOT
DBA=hfdba$S SEC=hfsec$S ANN=hfann$S BOB=hfbob$S SID=hfsid$S
people_go() {
	local who
	for who in "$ANN" "$BOB" "$SID"; do userdel "$who" 2> /dev/null; done
	for who in "$DBA" "$SEC"; do groupdel "$who" 2> /dev/null; done
	return 0
}
trap 'people_go; tmux -L "hf-$$" kill-server 2> /dev/null; clean_group' EXIT
people_go
groupadd "$DBA" && groupadd "$SEC" && useradd -M -N -g nogroup -G "$DBA" "$ANN" &&
	useradd -M -N -g nogroup -G "$DBA" "$BOB" && useradd -M -N -g nogroup -G "$SEC" "$SID" || exit 1

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
rules:
  - name: two-for-customers
    when: {object: ["customers", "public.customers"], effect: [update, delete]}
    then: hold
    message: "Customer data: two people look at it."
    quorum: {"group:$DBA": 1, "group:$SEC": 1}
    reason: required
    break_glass: [group:$SEC]
    timeout: 5m
  - name: notes-by-dba
    when: {object: ["notes", "public.notes"], effect: [update, delete]}
    then: hold
    approvers: [group:$DBA]
    timeout: 5m
  - name: two-for-new-notes
    when: {object: ["notes", "public.notes"], effect: [insert]}
    then: hold
    approvers: [group:$DBA]
    quorum: 2
    timeout: 5m
  - name: orders-by-anyone
    when: {object: ["orders", "public.orders"], effect: [update, delete, insert]}
    unless: {object: "scratch.*"}
    then: hold
    timeout: 5m
YAML
start_daemon || exit 1

# as PERSON COMMAND…: a fresh login of that person.
as() { local who=$1; shift; setpriv --reuid="$who" --regid=nogroup --init-groups "$@"; }
says() { # PERSON approve|deny HOLD [OPTION…]: exit status, words in $OUT
	local who=$1
	shift
	OUT=$(as "$who" "$B/holdfast" "$@" 2>&1)
}
n_customers() { admin "SELECT count(*) FROM customers WHERE $1"; }

test_the_ledger_says_how_a_decider_was_known_and_that_nothing_was_shown() {
	bg psql sql known "DELETE FROM orders WHERE id = 44 /* known */"
	h=$(wait_hold known)
	hf approve "$h" -m 'by its number' > /dev/null < /dev/null
	finish "$BG"
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h} AND auth LIKE 'ctl.sock peercred uid=0 gid=0 pid=% tty=% login=% comm=holdfast' AND shown LIKE 'by id alone%'" 1
	hf audit decisions --json | jq -es --argjson h "${h#h}" 'map(select(.hold == $h)) | .[0].auth | startswith("ctl.sock peercred uid=0")' > /dev/null
	hf audit export --type decision | jq -es --argjson h "${h#h}" 'map(select(.hold == $h)) | .[0] | (.shown_hmac | length) == 64 and (.shown | startswith("by id alone"))' > /dev/null
	assert_has "$(hf replay "$(ledger "SELECT session FROM holds WHERE id = ${h#h}")")" 'known: ctl.sock peercred uid=0'
	hf report --html "$T/report.html" "$(ledger "SELECT run FROM holds WHERE id = ${h#h}")"
	assert_has "$(cat "$T/report.html")" 'ctl.sock peercred uid=0'
}

test_a_quorum_takes_one_of_each_group_and_each_says_why() {
	bg psql sql quorum "UPDATE customers SET vip = 1 WHERE id = 1 RETURNING id"
	h=$(wait_hold quorum)
	assert_exit 2 as "$ANN" "$B/holdfast" approve "$h"
	assert_has "$OUT" 'wants a reason'
	assert_exit 0 as "$ANN" "$B/holdfast" approve "$h" -m 'ticket 4'
	assert_has "$OUT" '1 of 2'
	assert_exit 4 as "$ANN" "$B/holdfast" approve "$h" -m again
	assert_exit 0 as "$BOB" "$B/holdfast" approve "$h" -m 'also dba'
	has_hold quorum
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 1')" 7001 'two of one group are no quorum'
	assert_exit 0 as "$SID" "$B/holdfast" approve "$h" -m 'seen'
	assert_has "$OUT" released
	finish "$BG"
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 1')" 1
	wait_ledger "SELECT count(*), count(DISTINCT user) FROM decisions WHERE hold = ${h#h} AND decision = 'approve'" '3|3'
}

# Identical requests are one entry; each has votes of its own, and `--all` is no second vote on one of them.
test_a_person_counts_once_in_each_of_what_is_identical() {
	bg psql in_run twice -- sh -c "psql -XqAt '$SHOP' -c 'INSERT INTO notes (id) VALUES (777)' &
		psql -XqAt '$SHOP' -c 'INSERT INTO notes (id) VALUES (777)'; wait"
	wait_until 15 entry_counts 2
	leader=$(holds_of twice | head -n 1)
	follower=h$((${leader#h} + 1))
	assert_exit 0 as "$ANN" "$B/holdfast" approve "$follower" -m one
	assert_exit 0 as "$ANN" "$B/holdfast" approve "$leader" --all -m one
	assert_exit 0 hf why "$leader"
	assert_has "$OUT" '1 of 2'
	assert_eq "$(ledger "SELECT count(*) FROM decisions WHERE hold = ${follower#h}")" 1
	if server_saw 'VALUES (777)'; then fail 'one person released it'; fi
	assert_exit 0 as "$BOB" "$B/holdfast" approve "$leader" --all -m two
	wait_ledger "SELECT count(*) FROM holds WHERE id IN (${leader#h}, ${follower#h}) AND outcome = 'approved'" 2
	assert_eq "$(ledger "SELECT count(DISTINCT user) FROM decisions WHERE hold = ${follower#h}")" 2
}
entry_counts() { # the entry of that run stands for so many
	[ "$(hf pending --json | jq -r '[.. | objects | select(.run_name? == "twice") | .identical // 1] | max')" = "$1" ]
}

test_one_denial_ends_a_quorum_and_the_agent_hears_by_whom_and_whom_to_ask() {
	bg psql sql quorumno "UPDATE customers SET vip = 2 WHERE id = 2"
	h=$(wait_hold quorumno)
	says "$ANN" approve "$h" -m fine
	says "$SID" deny "$h" -m 'not this quarter'
	finish "$BG" || true
	assert_has "$(out psql)" "$SID"
	assert_has "$(out psql)" 'not this quarter'
	assert_has "$(out psql)" 'Without asking you may: read, session'
	assert_has "$(out psql)" "1 of group:$DBA and 1 of group:$SEC"
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 2')" 7002
}

test_a_stranger_and_a_person_of_the_wrong_group_are_refused_and_recorded() {
	bg psql sql wrong "DELETE FROM notes WHERE id = 1"
	h=$(wait_hold wrong)
	assert_exit 4 as "$SID" "$B/holdfast" approve "$h"
	assert_exit 4 as nobody "$B/holdfast" approve "$h"
	assert_exit 4 hf approve "$h" # root is not named
	has_hold wrong
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'decision-refused'" 3
	says "$BOB" deny "$h" -m no
	finish "$BG" || true
}

test_breaking_the_glass_is_loud() {
	bg psql sql glass "UPDATE customers SET vip = 3 WHERE id = 3"
	h=$(wait_hold glass)
	assert_exit 4 as "$ANN" "$B/holdfast" approve "$h" --break-glass -m 'I am no security'
	assert_exit 2 as "$SID" "$B/holdfast" approve "$h" --break-glass
	assert_exit 0 as "$SID" "$B/holdfast" approve "$h" --break-glass -m 'the house is on fire'
	finish "$BG"
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 3')" 3
	wait_ledger "SELECT scope FROM decisions WHERE hold = ${h#h}" break-glass
	assert_has "$(ledger "SELECT detail FROM events WHERE kind = 'BREAK-GLASS'")" 'the house is on fire'
}

test_who_lost_the_group_does_not_count_even_with_the_vote_cast() {
	bg psql sql lost "UPDATE customers SET vip = 4 WHERE id = 4"
	h=$(wait_hold lost)
	says "$ANN" approve "$h" -m fine
	gpasswd -d "$ANN" "$DBA" > /dev/null
	assert_exit 0 as "$SID" "$B/holdfast" approve "$h" -m fine
	assert_has "$OUT" '1 of 2' 'a vote of somebody who lost the right was counted'
	has_hold lost
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'decision-void'" 1
	usermod -aG "$DBA" "$ANN"
	says "$BOB" approve "$h" -m fine
	finish "$BG"
	assert_eq "$(admin 'SELECT vip FROM customers WHERE id = 4')" 4
}

test_a_process_that_kept_its_group_is_no_approver_any_more() {
	bg psql sql kept "DELETE FROM notes WHERE id = 2"
	h=$(wait_hold kept)
	mkfifo "$T/go"
	as "$ANN" sh -c "read x < '$T/go'; exec '$B/holdfast' approve '$h'" > "$T/kept.out" 2>&1 &
	old=$!
	chmod 666 "$T/go"
	gpasswd -d "$ANN" "$DBA" > /dev/null
	echo go > "$T/go"
	rc=0
	wait "$old" || rc=$?
	usermod -aG "$DBA" "$ANN"
	assert_eq "$rc" 4
	says "$BOB" deny "$h" -m no
	finish "$BG" || true
	assert_eq "$(admin 'SELECT count(*) FROM notes WHERE id = 2')" 1
}

test_a_policy_that_asks_others_voids_what_waits() {
	cp "$G/policy.yaml" "$T/policy.yaml"
	bg psql sql terms "DELETE FROM notes WHERE id = 3"
	h=$(wait_hold terms)
	sed "s/approvers: \[group:$DBA\]/approvers: [group:$SEC]/" "$T/policy.yaml" > "$G/policy.yaml"
	hf reload
	finish "$BG" || true
	assert_has "$(out psql)" 'the policy changed'
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" void
	bg psql sql termsno "DELETE FROM notes WHERE id = 3"
	h=$(wait_hold termsno)
	sed "s/    then: hold\$/    then: deny/; /approvers:\|timeout:\|quorum:\|reason:\|break_glass:/d" "$T/policy.yaml" > "$G/policy.yaml"
	hf reload
	finish "$BG" || true
	assert_has "$(out psql)" 'the policy changed and now denies it'
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" denied
	bg psql sql termssame "DELETE FROM orders WHERE id = 60"
	cp "$T/policy.yaml" "$G/policy.yaml"
	finish "$BG" || true
	hf reload
	# One that asks the same goes on waiting, and what is decided counts.
	bg psql sql termssame "DELETE FROM orders WHERE id = 61"
	h=$(wait_hold termssame)
	echo '# the same' >> "$G/policy.yaml"
	hf reload
	has_hold termssame
	approve "$h"
	finish "$BG"
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 61')" 0
}

test_why_tells_rule_decision_and_what_would_be_allowed() {
	bg psql sql whynot "DELETE FROM notes WHERE id = 4"
	h=$(wait_hold whynot)
	assert_has "$(hf why "$h")" "group:$DBA"
	assert_has "$(hf why "$h")" 'it waits'
	says "$BOB" deny "$h" -m 'ask next week'
	finish "$BG" || true
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" denied
	why=$(hf why "$h")
	for word in notes-by-dba denied "$BOB" 'ask next week' 'read, session' 'DELETE FROM notes'; do
		assert_has "$why" "$word"
	done
	assert_exit 5 hf why h999999
}

test_a_decision_cannot_be_replayed() {
	bg psql sql replayed "DELETE FROM orders WHERE id = 62"
	h=$(wait_hold replayed)
	cat > "$T/replay.py" <<-'PY'
	import socket, struct, sys
	packet = struct.pack("!HHQBBI", 3, 200, int(sys.argv[2]), 0, 0, 0)
	for text in (b"yes", b"", sys.argv[3].encode()):
	    packet += struct.pack("!I", len(text)) + text
	answers = []
	for _ in range(2):
	    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	    s.connect(sys.argv[1])
	    s.send(packet)
	    answers.append(s.recv(65536))
	    s.close()
	print(*(a[4:] for a in answers), sep="\n")
	PY
	assert_has "$(python3 "$T/replay.py" "$HOLDFAST_DIR/ctl.sock" "${h#h}" 0000)" 'not the request that was shown'
	hash=$(hf pending --json | jq -r '. | select(.run_name == "replayed") | .hash')
	answers=$(python3 "$T/replay.py" "$HOLDFAST_DIR/ctl.sock" "${h#h}" "$hash")
	assert_has "$answers" released
	assert_has "$answers" 'no such hold'
	finish "$BG"
	wait_ledger "SELECT count(*) FROM decisions WHERE hold = ${h#h}" 1
}

test_what_was_approved_again_and_again_is_suggested_as_a_rule() {
	for i in 1 2 3; do
		bg psql sql suggest "UPDATE notes SET body = 's$i' WHERE id = $i"
		h=$(wait_hold suggest)
		says "$BOB" approve "$h"
		finish "$BG"
	done
	enough() { hf policy suggest "$G/policy.yaml" | grep -q '"notes"'; }
	wait_until 10 enough
	hf policy suggest "$G/policy.yaml" > "$T/diff"
	cat "$T/diff"
	assert_has "$(cat "$T/diff")" '+    unless: {resource: shop, effect: ["update"], object: ["notes"], role: "agent"}'
	assert_lacks "$(cat "$T/diff")" customers 'what was denied too is no habit'
	assert_lacks "$(hf policy suggest "$G/policy.yaml" --times 4 2>&1)" notes
	# The change is one that the policy takes, and that does what it says.
	python3 - "$G/policy.yaml" "$T/diff" > "$T/new.yaml" <<-'PY'
	import re, sys
	lines, add = open(sys.argv[1]).read().split("\n"), {}
	for l in open(sys.argv[2]):
	    m = re.match(r"@@ -(\d+),0 ", l)
	    if m: at = int(m[1])
	    elif l.startswith("+") and not l.startswith("+++"): add.setdefault(at, []).append(l[1:].rstrip("\n"))
	for i, l in enumerate(lines, 1):
	    print(l)
	    for a in add.get(i, []): print(a)
	PY
	hf policy check "$T/new.yaml" --no-resolve
	assert_has "$(hf policy explain "$T/new.yaml" --role agent "UPDATE notes SET body = 'x' WHERE id = 1")" 'its `unless` does'
}

test_what_passed_under_observation_is_suggested_as_a_rule() {
	cp "$G/policy.yaml" "$T/enforced.yaml"
	sed 's/^version: 1$/version: 1\nmode: observe/' "$T/enforced.yaml" > "$G/policy.yaml"
	hf reload > /dev/null
	for i in 1 2 3; do
		sql watched "INSERT INTO orders (id, customer, total, status) VALUES (50$i, 1, 1, 'watched')"
		sql watched "DROP TABLE IF EXISTS no_such_$i" 2> /dev/null
	done
	enough() { hf policy suggest "$T/enforced.yaml" | grep -q 'seen 3 times in observe mode'; }
	wait_until 10 enough
	hf policy suggest "$T/enforced.yaml" > "$T/diff"
	cat "$T/diff"
	cp "$T/enforced.yaml" "$G/policy.yaml"
	hf reload > /dev/null
	assert_has "$(cat "$T/diff")" '(seen 3 times in observe mode): unless: {resource: shop, effect: ["insert"], object: ["orders"], role: "agent"}'
	assert_lacks "$(cat "$T/diff")" no_such 'seen once is no habit'
	# Nothing was enforced meanwhile, and all of it was recorded as what it would have been.
	assert_eq "$(admin "SELECT count(*) FROM orders WHERE status = 'watched'")" 3
	wait_ledger "SELECT count(*) FROM requests WHERE run_name = 'watched' AND ruling = 'would-hold' AND objects = 'orders' AND status = 'ok'" 3
}

# A syslog daemon's socket, in a /dev of our own.
test_decisions_reach_syslog_whole() {
	cat > "$T/syslogd.py" <<-'PY'
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	while True:
	    with open(sys.argv[2], "ab") as f: f.write(s.recv(65536) + b"\n")
	PY
	python3 "$T/syslogd.py" "$T/log" "$T/heard" &
	server=$!
	wait_until 5 test -S "$T/log"
	last=$(hf audit export | tail -n 1 | jq .entry)
	unshare -m sh -c "mount -t tmpfs dev /dev && mknod -m 666 /dev/null c 1 3 && ln -s '$T/log' /dev/log &&
		exec '$B/holdfast' audit export --follow --after $last --type decision --syslog" &
	shipper=$!
	long=$(head -c 1000 /dev/zero | tr '\0' 'r')
	for reason in 'short "quoted"' "$long"; do
		bg psql sql logged 'DELETE FROM orders WHERE id = 90'
		h=$(wait_hold logged)
		hf approve "$h" -m "$reason" > /dev/null
		finish "$BG"
	done
	two() { [ "$(grep -c '"decision":"approve"' "$T/heard")" = 2 ]; }
	wait_until 10 two
	kill "$shipper" "$server"
	# authpriv.notice, our name, and JSON; nothing but decisions.
	assert_eq "$(wc -l < "$T/heard")" 2
	assert_eq "$(grep -cE '^<85>.* holdfast\[[0-9]+\]: \{' "$T/heard")" 2
	sed 's/^[^{]*//' "$T/heard" | jq -es --arg long "$long" 'map(.reason) == ["short \"quoted\"", $long] and all(.type == "decision" and (.auth | startswith("ctl.sock")))' > /dev/null
}

# An attached group may hold processes of several users: each of them may be an agent's.
test_nobody_with_a_process_in_an_attached_group_decides() {
	group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/holdfast-people-$$
	mkdir "$group"
	for who in "$ANN" "$BOB"; do
		(echo 0 > "$group/cgroup.procs" && exec setpriv --reuid="$who" --regid=nogroup --init-groups tail -f /dev/null) &
	done
	wait_until 10 sh -c "[ \"\$(xargs ps -o comm= -p < '$group/cgroup.procs' 2> /dev/null | grep -c tail)\" = 2 ]"
	hf attach --cgroup "/${group##*/}" --name people > /dev/null
	bg psql sql asked "DELETE FROM notes WHERE id = 4242"
	h=$(wait_hold asked)
	for who in "$ANN" "$BOB"; do assert_exit 4 as "$who" "$B/holdfast" approve "$h" -m mine; done
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "people").id')"
	wait_until 10 assert_exit 0 as "$BOB" "$B/holdfast" approve "$h" -m 'from outside'
	finish "$BG"
	wait_until 10 rmdir "$group"
}

test_a_stopped_enforcer_keeps_nobody_waiting_for_ever() {
	enforcer=$(enforcer_pid)
	# shellcheck disable=SC2086
	kill -STOP $enforcer
	rc=0
	OUT=$(timeout 40 "$B/holdfast" status 2>&1) || rc=$?
	# shellcheck disable=SC2086
	kill -CONT $enforcer
	assert_eq "$rc" 3
	assert_has "$OUT" 'does not answer'
	hf status > /dev/null
}

run_tests
