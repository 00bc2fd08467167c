# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every root-only test file shares. A file says its policy, starts a daemon of its own, defines
# functions test_something_in_words and ends with run_tests. The runner (tests/e2e/run) has started
# the PostgreSQL that all of them use, and exports E2E_TMP, E2E_PGPORT, E2E_PGSOCK, E2E_PGLOG, B.
#
# Each test is a subshell under `set -e`: the first command that fails fails the test. Nothing here
# waits for time to pass: wait_until polls a condition and gives up at a deadline.
set -u

E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${E2E_TMP:?run me through tests/e2e/run}" "${E2E_PGPORT:?}" "${E2E_PGSOCK:?}" "${E2E_PGLOG:?}"
B=$(cd "$E2E_ROOT" && cd "${B:-build}" && pwd)
# How long "it will not come any more" takes, in units of what a quiet machine needs at most: a deadline
# costs time only where a test fails anyway.
case $B in */san) PATIENCE=${PATIENCE:-4} ;; *) PATIENCE=${PATIENCE:-2} ;; esac
TEST_SECS=${TEST_SECS:-$([ -n "${SOAK:-}" ] && echo 1800 || echo 60)}

GROUP=$(basename "$0" .sh)
G=$E2E_TMP/$GROUP
HF_CGROUP=holdfast-e2e-$$
HF_PID=
export HOLDFAST_DIR=$G/run HOLDFAST_LEDGER=$G/ledger/ledger.db
export PGCONNECT_TIMEOUT=20
# A build with sanitizers: no leak check, which traces processes and may not do so inside a run.
export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1
# How agents reach the shop: over TCP, as a role that needs no password.
SHOP="host=127.0.0.1 port=$E2E_PGPORT user=agent dbname=shop"
mkdir -p "$G"
chmod 755 "$G"
# shellcheck source=tests/e2e/throwaway.sh
. "$E2E_ROOT/tests/e2e/throwaway.sh"

# ---- small helpers --------------------------------------------------------------------------------

fail() { printf 'FAILED: %s\n' "$*" >&2; return 1; }
assert_eq() { [ "$1" = "$2" ] || fail "${3:-values differ}: got <$1>, expected <$2>"; }
assert_has() { case $1 in *"$2"*) ;; *) fail "${3:-missing text}: <$2> is not in <$1>" ;; esac; }
assert_lacks() { case $1 in *"$2"*) fail "${3:-forbidden text}: <$2> is in <$1>" ;; esac; }
# assert_exit CODE COMMAND…: stdout and stderr land in $OUT.
assert_exit() {
	local want=$1 got=0
	shift
	OUT=$("$@" 2>&1) || got=$?
	[ "$got" = "$want" ] || fail "exit $got, expected $want, of: $* <$OUT>"
}
# wait_until SECONDS COMMAND…: true as soon as the command is; the seconds are a quiet machine's.
wait_until() {
	local deadline=$((SECONDS + $1 * PATIENCE))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || { fail "never became true: $*"; return 1; }
		sleep 0.02 # condition helper
	done
}
gone() { ! kill -0 "$1" 2> /dev/null; }
file_has() { grep -qF -- "$2" "$1"; }
skip() { printf 'SKIP: %s\n' "$*" >&2; exit 77; }
# bg NAME COMMAND…: starts it with our stdin, output in $T/NAME.out; its pid in $BG. finish PID
# [SECONDS] waits and returns its status.
# shellcheck disable=SC2034 # the tests read BG
bg() {
	local out=$T/$1.out
	shift
	"$@" <&0 > "$out" 2>&1 &
	BG=$!
}
finish() {
	wait_until "${2:-20}" gone "$1" || { kill -KILL "$1"; return 1; }
	wait "$1"
}
out() { cat "$T/$1.out"; }

# ---- the real server, seen from outside every run -------------------------------------------------

admin() { psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres -d "${DB:-shop}" -c "$1"; }
# What the server was asked to do, by its own log (log_statement=all). Tests mark statements.
server_saw() { grep -qF -- "$1" "$E2E_PGLOG"; }

# ---- the daemon -----------------------------------------------------------------------------------

hf() { "$B/holdfast" "$@"; }
policy() { cat > "$G/policy.yaml"; chmod 644 "$G/policy.yaml"; }
# The policy that most groups start from; rules of their own go between.
standard_resources() {
	cat <<-YAML
	resources:
	  - name: shop
	    at: ["127.0.0.1:$E2E_PGPORT"]
	    protocol: postgres
	    tags: [production-db]
	YAML
}
# A policy under which changes of orders wait for people; further rules on stdin.
policy_of_holds() {
	{
		cat <<-YAML
		version: 1
		default: {read: allow, session: allow, other: hold}
		$(standard_resources)
		rules:
		  - name: orders-ask
		    when: {object: ["orders", "public.orders"], effect: [update, delete, insert]}
		    then: hold
		    message: "Orders are for people to change."
		    timeout: 5m
		YAML
		cat
	} | policy
}
config() { # further lines on stdin
	HF_PORT=$(free_port)
	{ holdfast_config "$G" "$HF_PORT" "$HF_CGROUP"; cat; } > "$G/config.yaml"
}
is_up() { hf status; }
# The enforcer's socket answers a moment before the warden's takes runs: all is there when the daemon says so.
n_ready() { grep -c 'ready dir=' "$G/daemon.log" || true; }
is_ready_or_dead() { [ "$(n_ready)" -gt "$WAS_READY" ] || gone "$HF_PID"; }
start_daemon() {
	[ -e "$G/config.yaml" ] || config < /dev/null
	holdfast_dirs "$G"
	touch "$G/daemon.log"
	WAS_READY=$(n_ready)
	# A session of its own: a daemon that a test started again outlives that test.
	# shellcheck disable=SC2086 # E2E_DAEMON_ARGS is a list: --without connect_unix
	setsid "$B/holdfastd" --config "$G/config.yaml" --foreground ${E2E_DAEMON_ARGS:-} "$@" >> "$G/daemon.log" 2>&1 &
	HF_PID=$!
	echo "$HF_PID" > "$G/daemon.pid"
	daemon_or_dead
	is_up > /dev/null 2>&1 && return 0
	{ echo "holdfastd did not come up:"; tail -n 30 "$G/daemon.log"; } >&2
	return 1
}
daemon_or_dead() { wait_until "${START_SECS:-20}" is_ready_or_dead; }
daemon_pid() { cat "$G/daemon.pid"; }
# Empty between the death of one and the start of its successor.
process_of() { pgrep -d ' ' -P "$(daemon_pid)" -u "$1" || true; }
enforcer_pid() { process_of "$HF_USER"; }
scribe_pid() { process_of "$HF_SCRIBE"; }
is_there() { [ -n "$("$1")" ]; }
# kill_one enforcer_pid|scribe_pid: also when its successor is only about to be started. Its pid in $OLD.
# shellcheck disable=SC2034 # the tests read OLD
kill_one() {
	wait_until 15 is_there "$1"
	OLD=$("$1")
	kill -KILL "$OLD"
}
is_replaced() { [ -n "$("$1")" ] && [ "$("$1")" != "$OLD" ]; }
stop_daemon() {
	local pid
	pid=$(daemon_pid 2> /dev/null) || return 0
	kill -TERM "$pid" 2> /dev/null
	wait_until 15 gone "$pid" || kill -KILL "$pid"
	rm -f "$G/daemon.pid"
}
# All of holdfastd at once, as an OOM killer would; the runs, children of the warden too, live on.
kill_daemon() {
	local pid pids
	pids="$(daemon_pid) $(enforcer_pid) $(scribe_pid)"
	# The warden first, so that it replaces none of them.
	# shellcheck disable=SC2086
	kill -KILL $pids 2> /dev/null || true
	for pid in $pids; do wait_until 5 gone "$pid"; done
}

# ---- inside a run ---------------------------------------------------------------------------------

in_run() { # NAME -- COMMAND…
	local name=$1
	shift 2
	# A shell starts background jobs with SIGINT ignored; a person at a terminal does not.
	env --default-signal=INT,QUIT "$B/holdfast" run --quiet --name "$name" -- "$@"
}
# signal_run NAME SIGNAL: to the `holdfast run` that a person would interrupt.
signal_run() { pkill "-$2" -f "^[^ ]*holdfast run --quiet --name $1 "; }
sql() { # NAME SQL [PSQL OPTION…]
	local name=$1 text=$2
	shift 2
	in_run "$name" -- psql -XqAt "$@" "$SHOP" -c "$text"
}
# Ids of the holds of a run, one a line.
holds_of() { hf pending --json | jq -r --arg n "$1" '.. | objects | select(.run_name? == $n) | .id' | sed 's/^h*/h/'; }
has_hold() { [ -n "$(holds_of "$1")" ]; }
has_no_hold() { [ -z "$(holds_of "$1")" ]; }
wait_hold() { wait_until "${2:-15}" has_hold "$1" && holds_of "$1" | head -n 1; }
approve() { hf approve "$1" -m "${2:-looks right}"; }
deny() { hf deny "$1" -m "${2:-not today}"; }

ledger() { sqlite3 -readonly -cmd '.timeout 5000' "$HOLDFAST_LEDGER" "$1"; }
ledger_is() { [ "$(ledger "$1")" = "$2" ]; }
# The scribe writes shortly after the fact.
wait_ledger() { wait_until "${3:-10}" ledger_is "$1" "$2" || fail "ledger: $1: got <$(ledger "$1")>, expected <$2>"; }

# ---- running --------------------------------------------------------------------------------------

clean_group() { holdfast_clean "$G" "$HF_CGROUP" "$(daemon_pid 2> /dev/null)"; }
trap clean_group EXIT

diagnose() {
	echo "--- output of the test"
	sed 's/^/    /' "$T.log" | tail -n 40
	for f in "$T"/*.out; do
		[ -s "$f" ] && { echo "--- $(basename "$f")"; tail -n 15 "$f" | sed 's/^/    /'; }
	done
	echo "--- daemon"
	tail -n 25 "$G/daemon.log" 2> /dev/null | sed 's/^/    /'
	hf pending 2>&1 | sed 's/^/    pending: /' | head -n 10
}
one_test() {
	local name=$1 words=${1#test_} pid rc=0
	T=$G/$name
	mkdir -p "$T"
	chmod 777 "$T"
	set -m # its own process group, so that nothing a test started outlives it
	(set -eE; set +m; trap - EXIT; trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR; "$name") > "$T.log" 2>&1 &
	pid=$!
	set +m
	wait_until "$TEST_SECS" gone "$pid" 2> /dev/null || echo "took longer than $TEST_SECS s" >> "$T.log"
	kill -KILL -- "-$pid" 2> /dev/null
	wait "$pid" 2> /dev/null || rc=$?
	case $rc in
	0) echo "ok - $GROUP: ${words//_/ }"; PASSED=$((PASSED + 1)) ;;
	77) echo "ok - $GROUP: ${words//_/ } # $(grep -m 1 ^SKIP "$T.log")"; SKIPPED=$((SKIPPED + 1)) ;;
	*) echo "not ok - $GROUP: ${words//_/ }"; FAILED=$((FAILED + 1)); diagnose ;;
	esac
}
run_tests() {
	local name
	PASSED=0 FAILED=0 SKIPPED=0
	# In the order of the file, so that a later test may lean on an earlier one's words.
	for name in $(sed -n 's/^\(test_[a-z0-9_]*\)().*/\1/p' "${TESTS_IN:-$0}"); do
		# shellcheck disable=SC2254 # a glob is what E2E_ONLY is
		case ${name#test_} in ${E2E_ONLY:-*}) one_test "$name" ;; esac
	done
	if grep -qE 'Sanitizer|runtime error:|bug expr=' "$G/daemon.log" 2> /dev/null; then
		echo "not ok - $GROUP: the daemon says that it has a bug"
		grep -m 1 -A 30 -E 'Sanitizer|runtime error:|bug expr=' "$G/daemon.log" | sed 's/^/    /'
		FAILED=$((FAILED + 1))
	fi
	echo "$PASSED $FAILED $SKIPPED" > "$G.count"
	[ "$FAILED" -eq 0 ]
}
