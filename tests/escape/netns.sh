#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Agents in a network namespace of their own, as a container has: a veth leads from it to another
# namespace, where the database is. Nothing of that can be reached from the host.
. "$(dirname "$0")/../e2e/lib.sh"

ROOT=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
FAKE=$ROOT/holdfast-fake-$$
A=hf-a-$$ D=hf-d-$$ # the agents' namespace, the database's
NET=10.77.$TEST_SLOT NET6=fd77:$((TEST_SLOT + 1)):
DNS_PORT=$(free_port) HOSTS=$(free_port)
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
dns:
  upstream: "127.0.0.1:$DNS_PORT"
  names: ["shop.internal"]
resources:
  - name: far
    at: ["$NET.2:5432", "[${NET6}:2]:5432"]
    protocol: postgres
  - name: own-loopback
    at: ["127.0.0.1:6543", "127.0.0.1:$E2E_PGPORT"]
    protocol: postgres
  - name: hosts
    at: "127.0.0.1:$HOSTS"
    protocol: postgres
    via: host
  - name: file
    at: ["unix:$E2E_PGSOCK/.s.PGSQL.$E2E_PGPORT"]
    protocol: postgres
rules:
  - {name: may-sleep, when: {effect: execute, object: ["pg_sleep", "pg_catalog.pg_sleep"]}, then: allow}
YAML
config < /dev/null

clean_netns() {
	local g
	for g in "$FAKE" "$FAKE"/*/; do [ ! -e "$g/cgroup.kill" ] || echo 1 > "$g/cgroup.kill"; done
	wait_until 5 sh -c "find '$FAKE' -depth -type d -exec rmdir {} + 2> /dev/null; [ ! -e '$FAKE' ]"
	# shellcheck disable=SC2086 # a list
	kill $HELPERS 2> /dev/null
	ip netns del "$A"
	ip netns del "$D"
}
HELPERS=
trap 'clean_netns; clean_group' EXIT

ip netns add "$A" && ip netns add "$D" || exit 1
ip -n "$A" link add va type veth peer name vd netns "$D"
for end in "$A va 1" "$D vd 2"; do
	read -r ns dev n <<< "$end"
	ip -n "$ns" link set lo up
	ip -n "$ns" link set "$dev" up
	ip -n "$ns" addr add "$NET.$n/24" dev "$dev"
	ip -n "$ns" addr add "${NET6}:$n/64" dev "$dev" nodad
done

# The server at an address of that namespace: bytes go to its unix socket and back, and who came is
# written down. usage: shop_in NAMESPACE-FILE FILE ADDRESS PORT
shop_in() {
	nsenter --net="$1" /usr/bin/python3 -u - "$3" "$4" "$E2E_PGSOCK/.s.PGSQL.$E2E_PGPORT" > "$G/$2" <<-'PY' &
	import socket, sys, threading
	def copy(a, b):
	    try:
	        while (got := a.recv(65536)):
	            b.sendall(got)
	        b.shutdown(socket.SHUT_WR)
	    except OSError:
	        a.close()
	s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind((sys.argv[1], int(sys.argv[2])))
	s.listen(50)
	print("ready")
	while True:
	    c, peer = s.accept()
	    print("from", peer[0])
	    u = socket.socket(socket.AF_UNIX)
	    u.connect(sys.argv[3])
	    for pair in ((c, u), (u, c)):
	        threading.Thread(target=copy, args=pair, daemon=True).start()
	PY
	HELPERS="$HELPERS $!"
	wait_until 10 file_has "$G/$2" ready || exit 1
}
shop_in "/run/netns/$D" far4 "$NET.2" 5432
shop_in "/run/netns/$D" far6 "${NET6}:2" 5432
shop_in "/run/netns/$A" own 127.0.0.1 6543
shop_in /proc/self/ns/net hosts 127.0.0.1 "$HOSTS"
/usr/bin/python3 "$(dirname "$0")/../e2e/nameserver.py" "$DNS_PORT" > "$G/asked" 2>&1 &
HELPERS="$HELPERS $!"
wait_until 10 file_has "$G/asked" ready || exit 1
start_daemon || exit 1
TEST_SECS=120

# An agent there, outside of every run: does each line of its fifo as a command. usage: agent NAME
agent() {
	mkfifo "$T/$1.in"
	chmod 666 "$T/$1.in"
	mkdir -p "$FAKE/$1"
	(
		echo 0 > "$FAKE/$1/cgroup.procs"
		exec ip netns exec "$A" setpriv --reuid=65534 --regid=65534 --clear-groups \
			bash -c 'exec 3<> "$0"; echo up; while read -r line <&3; do eval "$line"; done' "$T/$1.in"
	) > "$T/$1.out" 2>&1 &
	AGENT=$!
	wait_until 15 file_has "$T/$1.out" up
}
tell() { echo "$2" > "$T/$1.in"; }
ask() { tell "$1" "psql -XqAt '$2 user=agent dbname=shop' -c \"$3\" 2>&1; echo end-$4 \$?"; }
heard() { wait_until "${3:-15}" file_has "$T/$1.out" "$2" || fail "not heard: $2"; }
run_of() { hf status --json | jq -r --arg n "$1" '.. | objects | select(.name? == $n) | .id' | head -n 1; }
FAR="host=$NET.2 port=5432"

test_database_of_that_namespace_is_reached_from_there_judged_and_held() {
	# From the host there is no way there.
	assert_exit 2 psql -XqAt "$FAR user=agent dbname=shop connect_timeout=2" -c 'SELECT 1'
	agent one
	hf attach --pid "$AGENT" --name one > "$T/said"
	assert_has "$(cat "$T/said")" 'in other network namespaces; served: 1'
	assert_lacks "$(cat "$T/said")" 'NOT served'
	id=$(run_of one)
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'netns-served' AND run = $id" 1
	ask one "$FAR" "SELECT 6 * 7 /* far */" a
	heard one 'end-a 0'
	file_has "$T/one.out" 42
	file_has "$G/far4" "from $NET.1"
	wait_ledger "SELECT count(*) FROM requests r JOIN sessions s ON s.id = r.session WHERE r.text LIKE '%/* far */%' AND s.resource = 'far' AND s.run = $id AND s.target LIKE '$NET.2:5432 in netns %'" 1
	ask one "$FAR" "DELETE FROM orders WHERE id = 1 RETURNING 'gone' /* held */" b
	hold=$(wait_hold one)
	if server_saw '/* held */'; then fail 'sent before it was approved'; fi
	approve "$hold"
	heard one 'end-b 0'
	file_has "$T/one.out" gone
	ask one "host=${NET6}:2 port=5432" "SELECT 'over-six'" c
	heard one 'end-c 0'
	file_has "$T/one.out" over-six
	file_has "$G/far6" "from ${NET6}:1" || fail "far6: $(cat "$G/far6")"
	# What no resource names is refused in connect(), here too.
	tell one 'echo x 2>&1 > /dev/tcp/'"$NET.2/5433"'; echo end-d'
	heard one end-d
	assert_has "$(out one)" 'Permission denied'
	hf release "$id"
}

test_loopback_is_its_own_and_the_hosts_only_where_the_policy_says_so() {
	agent two
	hf attach --pid "$AGENT" --name two > /dev/null
	ask two "host=127.0.0.1 port=6543" "SELECT 'its-own'" a
	heard two 'end-a 0'
	file_has "$T/two.out" its-own
	# The host's server listens on this very address and port, and the policy names it.
	ask two "host=127.0.0.1 port=$E2E_PGPORT" "SELECT 'the-host' /* leak */" b
	heard two 'end-b 2'
	assert_has "$(out two)" "Connection refused"
	if server_saw '/* leak */'; then fail 'the enforcer was a relay into the host'; fi
	ask two "host=127.0.0.1 port=$HOSTS" "SELECT 'via-host'" c
	heard two 'end-c 0'
	file_has "$T/two.out" via-host
	file_has "$G/hosts" "from 127.0.0.1"
	hf release "$(run_of two)"
}

test_names_and_unix_sockets_there() {
	agent three
	hf attach --pid "$AGENT" --name three > /dev/null
	tell three "dig +short +tries=1 +timeout=8 @$NET.9 shop.internal; echo end-a"
	heard three end-a
	assert_has "$(out three)" 127.0.0.1
	tell three "dig +short +tries=1 +timeout=8 @::1 shop.internal; echo end-6"
	heard three end-6
	tell three "dig +short +tcp +tries=1 +timeout=8 @$NET.9 shop.internal; echo end-t"
	heard three end-t
	assert_eq "$(out three | grep -c '^127.0.0.1$')" 3
	ask three "host=$E2E_PGSOCK port=$E2E_PGPORT" "SELECT 'by-file' /* file */" b
	heard three 'end-b 0'
	file_has "$T/three.out" by-file
	hf release "$(run_of three)"
}

test_cancel_goes_the_same_way() {
	agent four
	hf attach --pid "$AGENT" --name four > /dev/null
	before=$(grep -c from "$G/far4" || true)
	tell four "env --default-signal=INT psql -XqAt '$FAR user=agent dbname=shop' -c 'SELECT pg_sleep(51)' 2>&1 & wait; echo end-a"
	wait_until 15 server_saw 'pg_sleep(51)'
	pkill -INT -f "^[^ ]*psql .*$NET.2.*pg_sleep.51"
	heard four end-a
	assert_has "$(out four)" 'canceling statement due to user request'
	assert_eq "$(($(grep -c from "$G/far4") - before))" 2
	hf release "$(run_of four)"
}

test_next_enforcer_and_next_daemon_serve_it_too_but_none_that_a_run_made() {
	agent five
	hf attach --pid "$AGENT" --name five > /dev/null
	id=$(run_of five)
	kill -KILL "$(enforcer_pid)"
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'enforcer-died'" 1
	wait_until 20 is_up
	ask five "$FAR" "SELECT 'second-enforcer'" a
	heard five 'end-a 0' 25
	# One that it makes itself, with all powers in it.
	tell five "unshare -Urn sh -c 'ip link set lo up; echo started; exec tail -f /dev/null' & true"
	heard five started
	kill_daemon
	start_daemon
	ask five "$FAR" "SELECT 'second-daemon'" b
	heard five 'end-b 0' 25
	file_has "$T/five.out" second-daemon
	assert_eq "$(ledger "SELECT count(DISTINCT detail) FROM events WHERE kind = 'netns-served' AND run = $id")" 1
	tell five "unshare -Urn bash -c 'ip link set lo up; : < /dev/tcp/127.0.0.1/6543' 2>&1; echo end-c"
	heard five end-c
	assert_has "$(out five)" 'Connection refused'
	hf kill "$id"
	# Nothing of ours stays there.
	wait_until 10 sh -c "! ip netns exec $A ss -Hltn | grep -q ':$HF_PORT '"
}

test_port_that_somebody_has_there_is_not_shared() {
	shop_in "/run/netns/$A" taken 127.0.0.1 "$HF_PORT"
	agent six
	hf attach --pid "$AGENT" --name six > "$T/said"
	assert_has "$(cat "$T/said")" 'NOT served: 1'
	id=$(run_of six)
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'netns-refused' AND run = $id" 1
	ask six "$FAR" "SELECT 1 /* not-served */" a
	heard six 'end-a 2'
	assert_has "$(out six)" 'Connection refused'
	assert_lacks "$(cat "$G/taken")" from
	hf release "$id"
}

test_no_way_out_from_there() {
	rc=0
	ip netns exec "$A" "$B/holdfast" selftest escape --attached --json > "$G/escape.json" || rc=$?
	case ${E2E_DAEMON_ARGS:-} in
	*connect_unix*)
		# Who was not started by us keeps what no hook sees, and the exit status says that it is open.
		assert_eq "$rc" 1
		assert_eq "$(jq -r 'select(.state? == "open") | .probe' "$G/escape.json" | grep -v '^unix_')" ''
		return
		;;
	esac
	jq -r 'select(.state? == "open") | "OPEN \(.probe): \(.why)"' "$G/escape.json"
	assert_eq "$rc" 0
	assert_eq "$(jq -r 'select(.ways?) | .open, .packets_outside' "$G/escape.json" | xargs)" '0 0'
	[ "$(jq -r 'select(.ways?) | .packets_of_control' "$G/escape.json")" -gt 20 ] || fail 'the capture sees nothing'
	for probe in 'tcp_connect near4' 'tcp_connect near6' 'tcp_connect far4' 'tcp_connect far6' 'tcp_device far4' \
		'tcp_flood far6' 'udp_sendto near4' 'udp_sendto far6' 'udp_pktinfo far4' 'dns_udp far6' 'raw_header far4' \
		'inbound_tcp near4' 'inbound_udp near6' unix_path unix_abstract unix_dgram; do
		assert_eq "$(jq -r --arg p "$probe" 'select(.probe? == $p) | .state' "$G/escape.json")" closed "$probe"
	done
	jq -r 'select(.ways?) | "in another network namespace: \(.ways) ways, \(.attempts) attempts, \(.closed) closed, \(.untested) cannot be tested here"' "$G/escape.json" >> "$E2E_TMP/numbers"
}

run_tests
