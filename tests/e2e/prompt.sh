#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The approver's terminal, as a terminal shows it: tmux is the pty, and what it captured is in the output.
. "$(dirname "$0")/lib.sh"
command -v tmux > /dev/null || { echo "ok - prompt # SKIP no tmux"; echo "0 0 1" > "$G.count"; exit 0; }

policy_of_holds <<YAML
  - name: impatient
    when: {object: ["customers", "public.customers"], effect: [update, delete, insert]}
    then: hold
    timeout: 4s
  - name: notes-by-ticket
    when: {object: ["notes", "public.notes"], effect: [update, delete]}
    then: hold
    ticket: 10m
YAML
config <<YAML
holds_per_run: 10000
YAML
trap 'tmux -L "hf-$$" kill-server 2> /dev/null; clean_group' EXIT
start_daemon || exit 1
# One that closes its last session ends, and who comes that moment is turned away.
tmux -L "hf-$$" -f /dev/null start-server \; set-option -s exit-empty off || exit 1

# terminal NAME COLUMNS ROWS [VARIABLE=VALUE… -- OPTIONS]: a prompt in a terminal of its own.
terminal() {
	local name=$1 cols=$2 rows=$3
	shift 3
	tmux -L "hf-$$" -f /dev/null new-session -d -s "$name" -x "$cols" -y "$rows" \
		"env HOLDFAST_DIR='$HOLDFAST_DIR' HOLDFAST_LEDGER='$HOLDFAST_LEDGER' $* '$B/holdfast' prompt ${PROMPT_ARGS:-}; echo ended \$?; read _"
}
shot() { tmux -L "hf-$$" capture-pane -p -t "$1"; }
width_of() { shot "$1" | LC_ALL=C.UTF-8 wc -L; }
screen_has() { shot "$1" | grep -qF -- "$2"; }
keys() { tmux -L "hf-$$" send-keys -t "$@"; }
close() { tmux -L "hf-$$" kill-session -t "$1" 2> /dev/null || true; }
# The prompt takes no key in the moment after it drew a new hold: press until it answers.
press() { screen_has "$1" "$3" || { keys "$1" "$2"; screen_has "$1" "$3"; }; }
show() { echo "--- $1"; shot "$1"; } # into the log of the test
n_orders() { admin "SELECT count(*) FROM orders WHERE $1"; }

test_everything_an_approver_needs_fits_80_by_24() {
	terminal small 80 24
	bg one sql small1 "DELETE FROM orders WHERE id = 1"
	one=$BG
	wait_hold small1
	bg two sql small2 "UPDATE orders SET status = 'x' WHERE id = 2"
	wait_hold small2
	wait_until 10 screen_has small '2 listed'
	show small
	for word in '> h' small1 small2 'delete on orders' DELETE 'id = 1' shop production-db 'none open' \
		'orders-ask: Orders are for people' 'any approver' 'sha256' 'a approve s shape'; do
		wait_until 10 screen_has small "$word" || fail "not on the screen: $word"
	done
	[ "$(width_of small)" -le 80 ]
	wait_until 10 press small v 'page 1 of'
	wait_until 10 screen_has small cwd
	show small
	close small
	deny "$(holds_of small1)"; deny "$(holds_of small2)"
	finish "$one" || true
	finish "$BG" || true
}

test_keys_approve_a_shape_and_deny_a_kind() {
	terminal keys 100 30
	rm -f "$T/in"
	mkfifo "$T/in"
	in_run keyed -- psql -XAt "$SHOP" < "$T/in" > "$T/psql.out" 2>&1 &
	run=$!
	exec 8> "$T/in"
	echo "DELETE FROM orders WHERE id = 3 RETURNING 'gone ' || id;" >&8
	wait_until 10 screen_has keys 'id = 3'
	wait_until 10 press keys s 'this shape in this run'
	keys keys -l 'all of these'
	keys keys Enter
	wait_until 10 file_has "$T/psql.out" 'gone 3'
	echo "DELETE FROM orders WHERE id = 4 RETURNING 'gone ' || id;" >&8
	wait_until 10 file_has "$T/psql.out" 'gone 4'
	echo "UPDATE orders SET total = 0;" >&8
	wait_until 10 screen_has keys 'no condition bounds it'
	show keys
	wait_until 10 press keys D 'all of this kind'
	keys keys -l 'never all'
	keys keys Enter
	wait_until 10 file_has "$T/psql.out" 'never all'
	echo "UPDATE orders SET total = 1;" >&8
	echo "SELECT 'end';" >&8
	wait_until 10 file_has "$T/psql.out" end
	assert_eq "$(grep -c 'never all' "$T/psql.out")" 2
	exec 8>&-
	finish "$run" || true
	close keys
	# What the ledger says of those decisions: at which terminal, by which login, and on what.
	q="SELECT count(*) FROM decisions WHERE text LIKE '%FROM orders WHERE id ="
	wait_ledger "$q 3 %' AND auth LIKE 'ctl.sock peercred uid=0 gid=0 pid=% tty=pts/% login=% comm=holdfast' AND
		shown LIKE '56 of 56 bytes of text, 0 parameters, hash=%, tx=none, identical=1, unknowns=%' AND length(shown_hmac) = 32" 1
	wait_ledger "$q 4 %' AND auth LIKE 'by grant g%' AND shown LIKE 'nobody was asked%'" 1
}

test_a_run_is_killed_from_the_prompt() {
	terminal kill 100 30
	bg psql sql doomed "DELETE FROM orders WHERE id = 5"
	wait_until 15 screen_has kill 'id = 5'
	wait_until 10 press kill K 'type kill'
	keys kill -l kill
	keys kill Enter
	wait_until 15 has_no_hold doomed
	finish "$BG" || true
	assert_eq "$(n_orders 'id = 5')" 1
	close kill
}

test_hostile_text_is_shown_for_what_it_is() {
	terminal hostile 80 24
	evil=$(printf 'DELETE FROM orders WHERE id = 6 /* \033[2J\033]0;owned\007\342\200\256\342\200\213 \320\276rders\n%s\n*/ OR status = '"'"'tail'"'" "$(for i in $(seq 60); do echo "-- line $i"; done)")
	bg psql sql hostile "$evil"
	h=$(wait_hold hostile)
	wait_until 10 screen_has hostile 'DELETE FROM orders WHERE id = 6'
	show hostile
	wait_until 10 screen_has hostile '\x1b[2J' || fail 'escapes'
	wait_until 10 screen_has hostile '\u{202e}' || fail 'bidi'
	wait_until 10 screen_has hostile '\u{200b}' || fail 'zero width'
	wait_until 10 screen_has hostile 'NOT ALL LETTERS ARE WHAT THEY SEEM: U+043E' || fail 'homoglyph'
	wait_until 10 screen_has hostile "OR status = 'tail'" || fail 'the tail is not shown'
	wait_until 10 screen_has hostile 'lines are not shown here' || fail 'what is left out is not said'
	wait_until 10 screen_has hostile "> h" || screen_has hostile "$h"
	assert_eq "$(tmux -L "hf-$$" display-message -p -t hostile '#{pane_title}' | grep -c owned)" 0
	close hostile
	deny "$h"
	finish "$BG" || true
	# A name of a run, a hold of a megabyte.
	bg psql sql big "DELETE FROM orders WHERE status = '$(head -c 100000 /dev/zero | tr '\0' x)'"
	h=$(wait_hold big)
	terminal big 80 24
	wait_until 10 screen_has big 'ONLY THE FIRST'
	show big
	close big
	deny "$h"
	finish "$BG" || true
}

test_without_colour_dumb_and_resized() {
	bg psql sql plain "DELETE FROM orders WHERE id = 7"
	h=$(wait_hold plain)
	terminal nocolour 80 24 NO_COLOR=1
	wait_until 10 screen_has nocolour 'id = 7'
	assert_lacks "$(tmux -L "hf-$$" capture-pane -e -p -t nocolour)" "$(printf '\033[')"
	tmux -L "hf-$$" resize-window -t nocolour -x 60 -y 16
	narrow() { shot nocolour | grep -q 'id = 7' && [ "$(width_of nocolour)" -le 60 ]; }
	wait_until 10 narrow
	show nocolour
	close nocolour
	terminal dumb 80 24 TERM=dumb
	wait_until 10 screen_has dumb 'id = 7'
	assert_lacks "$(tmux -L "hf-$$" capture-pane -e -p -t dumb)" "$(printf '\033[')"
	wait_until 10 press dumb d 'reason (needed)'
	keys dumb -l 'not so'
	keys dumb Enter
	finish "$BG" || true
	assert_has "$(out psql)" 'not so'
	close dumb
}

test_typed_ahead_keys_decide_nothing() {
	terminal ahead 80 24
	wait_until 10 screen_has ahead 'waiting for holds'
	for _ in 1 2 3 4 5 6 7 8; do keys ahead a Enter; done
	bg psql sql ahead "DELETE FROM orders WHERE id = 8"
	h=$(wait_hold ahead)
	for _ in 1 2 3; do keys ahead a Enter a Enter; done
	wait_until 10 screen_has ahead 'id = 8'
	tmux -L "hf-$$" set-buffer -t ahead "$(printf 'a\n')"
	tmux -L "hf-$$" paste-buffer -p -t ahead
	has_hold ahead
	assert_eq "$(n_orders 'id = 8')" 1
	close ahead
	deny "$h"
	finish "$BG" || true
}

# The hold ends while its approver is typing the reason; what he types on is not for the next one.
test_keys_for_a_hold_that_was_withdrawn_decide_nothing_else() {
	terminal fingers 80 24
	bg one in_run fingers1 -- psql -XqAt "$SHOP" -c 'DELETE FROM orders WHERE id = 11'
	one=$BG
	h=$(wait_hold fingers1)
	wait_until 10 screen_has fingers 'id = 11'
	bg two sql fingers2 "DELETE FROM orders WHERE id = 12 RETURNING 'gone ' || id"
	two=$BG
	h2=$(wait_hold fingers2)
	wait_until 10 press fingers a "$h: APPROVE"
	keys fingers -l old
	wait_until 10 screen_has fingers old_
	signal_run fingers1 INT
	wait_until 10 screen_has fingers 'what you type is for nobody'
	show fingers
	for key in d a t a ',' a g r e e d; do
		keys fingers -l "$key"
		sleep 0.1 # condition helper: a person's pace
	done
	has_hold fingers2 || fail 'they decided the next one'
	screen_has fingers 'what you type is for nobody'
	keys fingers Enter
	wait_until 10 screen_has fingers 'a approve s shape'
	has_hold fingers2
	wait_ledger "SELECT count(*) FROM decisions WHERE hold IN (${h#h}, ${h2#h})" 0
	wait_until 10 press fingers a "$h2: APPROVE"
	keys fingers Enter
	finish "$two"
	finish "$one" || true
	assert_has "$(out two)" 'gone 12'
	close fingers
}

# All that reached the terminal is text, and the few sequences that the prompt itself draws with.
is_tame() {
	/usr/bin/python3 - "$@" <<-'PY'
	import re, sys, unicodedata
	raw = open(sys.argv[1], "rb").read()
	left = re.sub(rb"\x1b\[(?:H|K|J|2J|\d*(?:;\d+)*m|\?1049[hl]|\?2004[hl])", b"", raw)
	text = left.decode("utf-8")  # what is not UTF-8 fails here
	bad = {c for c in text if c not in "\r\n\a" and (unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") or unicodedata.combining(c))}
	assert len(raw) > 200, len(raw)
	assert not bad, [hex(ord(c)) for c in bad]
	PY
}
test_no_sequence_of_an_agents_reaches_the_terminal() {
	evil=$(printf 'DELETE FROM orders WHERE id = 13 /* \033]8;;http://evil\033\\link\033]8;;\033\\ \033]52;c;cm0gLXJm\007 \033Pq#0~\033\\ \033_G\033\\ \302\2332J \302\2350;x\302\234 \302\220q a\tb \314\201 e\314\266 \360\237\221\251\342\200\215\360\237\221\247 \360\237\207\251\360\237\207\252 \327\220\330\247 \342\201\246 \357\273\277 \357\270\217 \363\240\201\201 \342\240\200 %s */' "$(head -c 3000 /dev/zero | tr '\0' x)")
	weird=$(printf 'w\033[2J\302\2332J')
	mkdir "$T/$weird"
	chmod 777 "$T/$weird"
	cp "$PGBIN/psql" "$T/$weird/$weird"
	printf '%0300d%s' 0 "$evil" > "$T/raw"
	if is_tame "$T/raw" 2> /dev/null; then fail 'nothing would be found'; fi
	for size in '80 24' '10 5' '200 60'; do
		read -r cols rows <<< "$size"
		terminal tame "$cols" "$rows"
		tmux -L "hf-$$" pipe-pane -t tame "cat > '$T/raw.$cols'"
		bg psql env PGAPPNAME="$weird" "$B/holdfast" run --quiet --name tame -- sh -c 'cd "$1"; exec "./$2" -XqAt "$3" -c "$4"' sh "$T/$weird" "$weird" "$SHOP" "$evil"
		h=$(wait_hold tame)
		drew() { [ "$(wc -c < "$T/raw.$cols")" -gt 400 ]; }
		wait_until 10 drew
		for step in 30x7 100x30 11x4 79x23 "${cols}x$rows" 40x10 "${cols}x$rows"; do
			tmux -L "hf-$$" resize-window -t tame -x "${step%x*}" -y "${step#*x}"
		done
		wait_until 10 press tame v page || [ "$rows" = 5 ] || fail "no page at $size"
		keys tame v
		show tame
		assert_lacks "$(shot tame)" 'ended '
		is_tame "$T/raw.$cols"
		close tame
		deny "$h"
		finish "$BG" || true
	done
}

test_nothing_is_decided_in_a_terminal_that_shows_nothing() {
	terminal tiny 10 5
	bg psql sql tiny "DELETE FROM orders WHERE id = 14"
	h=$(wait_hold tiny)
	wait_until 10 screen_has tiny 'TOO SMALL'
	for _ in 1 2 3 4 5; do
		keys tiny a
		keys tiny Enter
		sleep 0.1 # condition helper: past the moment in which no key counts
	done
	has_hold tiny || fail 'it was decided unseen'
	tmux -L "hf-$$" resize-window -t tiny -x 80 -y 24
	wait_until 10 press tiny a "$h: APPROVE"
	keys tiny Escape
	close tiny
	deny "$h"
	finish "$BG" || true
}

test_the_clock_stands_while_someone_decides_but_not_in_a_transaction() {
	terminal clock 100 30
	bg psql sql clock "UPDATE customers SET vip = 5 WHERE id = 1 RETURNING 'done ' || id"
	h=$(wait_hold clock)
	wait_until 10 press clock a 'reason (Enter: yes)'
	decides() { [ "$(hf pending --json | jq -r 'select(.run_name == "clock") | .deciding')" = 1 ]; }
	wait_until 5 decides
	longer() { [ "$(hf pending --json | jq 'select(.run_name == "clock") | .waiting_seconds')" -ge 6 ]; }
	wait_until 20 longer # the rule gives it four seconds
	has_hold clock || fail 'it expired while someone was deciding'
	keys clock Enter
	finish "$BG"
	assert_has "$(out psql)" 'done 1'
	cat > "$T/tx.sql" <<-'SQL'
	BEGIN;
	UPDATE customers SET vip = 6 WHERE id = 1;
	SQL
	bg psql in_run clocktx -- psql -XAt "$SHOP" -f "$T/tx.sql"
	h=$(wait_hold clocktx)
	wait_until 10 screen_has clock 'locks are held'
	wait_until 10 press clock a 'reason (Enter: yes)'
	wait_until 10 has_no_hold clocktx
	wait_ledger "SELECT outcome FROM holds WHERE id = ${h#h}" expired
	finish "$BG" || true
	close clock
}

test_notify_runs_a_command_for_each_hold() {
	PROMPT_ARGS="--notify 'echo \"\$HOLDFAST_HOLD \$HOLDFAST_RUN \$HOLDFAST_EFFECTS\" >> $T/told'" terminal notify 80 24
	wait_until 10 screen_has notify 'waiting for holds'
	bg psql sql told "DELETE FROM orders WHERE id = 9"
	h=$(wait_hold told)
	wait_until 10 file_has "$T/told" "$h told delete"
	close notify
	deny "$h"
	finish "$BG" || true
}

test_pending_waits_for_a_hold() {
	bg waiter hf pending --wait --json
	waiter=$BG
	bg psql sql waited "DELETE FROM orders WHERE id = 10"
	finish "$waiter" 20
	assert_has "$(out waiter)" waited
	deny "$(wait_hold waited)"
	finish "$BG" || true
	assert_exit 5 hf pending --wait --for 1s
}

# Thousands at once, from one run that takes tickets: nobody loses the prompt, and a reader that was
# stopped meanwhile sees them all afterwards.
test_thousands_of_holds_lose_no_prompt() {
	terminal many 80 24
	wait_until 10 screen_has many 'waiting for holds'
	pid=$(pgrep -f "^[^ ]*holdfast prompt" | tail -n 1)
	kill -STOP "$pid"
	bg watch hf pending --watch
	for i in $(seq 4200); do echo "DELETE FROM notes WHERE id = $i;"; done > "$T/many.sql"
	bg psql in_run flood -- sh -c "psql -XAt '$SHOP' -f -; tail -f /dev/null" < "$T/many.sql"
	psql=$BG
	all() { [ "$(hf pending --json | wc -l)" -ge 4200 ]; }
	wait_until 50 all
	kill -CONT "$pid"
	wait_until 20 screen_has many '4200 listed'
	show many
	assert_lacks "$(shot many)" 'holdfastd is gone'
	hf kill "$(hf status --json | jq '.runs[] | select(.name == "flood") | .id')"
	finish "$psql" 30 || true
	wait_until 20 has_no_hold flood
	close many
}

run_tests
