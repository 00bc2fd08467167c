#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever breaks, no packet gets out: an agent keeps trying to reach another host, TCP and UDP, by
# every way that needs no luck, while parts of the daemon die, stop, are starved or taken apart. The
# other host is a network namespace, whose interface counts what arrives.
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
NET=$((1 + $$ % 250)) NS=hfclosed$$ NEAR=hfc$((1 + $$ % 250))
undo() {
	ip netns pids "$NS" 2> /dev/null | xargs -r kill
	ip netns del "$NS" 2> /dev/null
	ip link del "$NEAR" 2> /dev/null
	clean_group
}
trap undo EXIT
ip netns add "$NS" && ip link add "$NEAR" type veth peer name far netns "$NS" || { echo 'SKIP: no veth here'; exit 77; }
# Neighbours are written down and IPv6 is off: nothing comes by itself.
sysctl -qw "net.ipv6.conf.$NEAR.disable_ipv6=1"
ip netns exec "$NS" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set "$NEAR" address 02:68:66:00:01:01 up
ip addr add "198.19.$NET.1/30" dev "$NEAR"
ip neigh add "198.19.$NET.2" lladdr 02:68:66:00:01:02 dev "$NEAR" nud permanent
ip netns exec "$NS" sh -c "ip link set far address 02:68:66:00:01:02 up; ip addr add 198.19.$NET.2/30 dev far
	ip neigh add 198.19.$NET.1 lladdr 02:68:66:00:01:01 dev far nud permanent"
arrived() { ip netns exec "$NS" cat /sys/class/net/far/statistics/rx_packets; }

TRY="
import os, select, socket, sys
n = 0
log = open(sys.argv[1], 'w', 1)
while True:
    for kind, flags in ((socket.SOCK_STREAM, 0), (socket.SOCK_STREAM, socket.MSG_FASTOPEN), (socket.SOCK_DGRAM, 0)):
        s = socket.socket(socket.AF_INET, kind)
        s.setblocking(False)
        try:
            s.sendto(b'out', flags, ('198.19.$NET.2', 7)) if flags or kind == socket.SOCK_DGRAM else s.connect(('198.19.$NET.2', 7))
        except OSError:
            pass
        select.select([], [], [], 0.005)
        s.close()
    n += 1
    log.write('%d\n' % n)"
start_daemon || exit 1
mkdir -p "$G/try"
chmod 777 "$G/try"

test_control_the_same_from_outside_arrives() {
	before=$(arrived)
	timeout 2 /usr/bin/python3 -c "$TRY" "$T/log" || true
	[ "$(arrived)" -gt "$((before + 10))" ] || fail 'the counter sees nothing: it proves nothing'
}

start_trying() {
	chmod 777 "$T"
	bg agent in_run trying -- /usr/bin/python3 -c "$TRY" "$T/tries"
	wait_until 15 file_has "$T/tries" 3
}
# It made so many more rounds of attempts, all of them since now.
tried() { [ "$(wc -l < "$T/tries")" -gt "$1" ]; }
goes_on_trying() { wait_until 30 tried "$(($(wc -l < "$T/tries") + 20))"; }
# nothing_gets_out WORDS: since arrived_before was taken.
nothing_gets_out() {
	goes_on_trying
	assert_eq "$(arrived)" "$arrived_before" "packets got out: $1"
}
event_came() { wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = '$1'" 1 20; }

test_no_packet_while_processes_die_and_stop() {
	arrived_before=$(arrived)
	start_trying
	for _ in 1 2 3; do
		kill_one enforcer_pid
		nothing_gets_out 'enforcer killed'
		wait_until 25 is_replaced enforcer_pid
	done
	wait_until 15 is_there enforcer_pid
	frozen=$(enforcer_pid)
	kill -STOP "$frozen"
	event_came refusing
	nothing_gets_out 'enforcer stopped'
	kill -CONT "$frozen"
	kill_one scribe_pid
	nothing_gets_out 'scribe killed'
	kill -STOP "$(daemon_pid)"
	nothing_gets_out 'warden stopped'
	kill -CONT "$(daemon_pid)"
	wait_until 20 is_up
	kill_daemon
	nothing_gets_out 'all of the daemon killed'
	start_daemon
	nothing_gets_out 'started again'
	stop_daemon
	nothing_gets_out 'stopped'
	start_daemon
	nothing_gets_out 'and started'
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "trying") | .id')"
}

# The next version has other maps: its hooks are attached before the last one's are taken off.
test_no_packet_while_another_version_takes_over() {
	arrived_before=$(arrived)
	start_trying
	for _ in 1 2 3; do
		kill_daemon
		now=$(find "$HOLDFAST_DIR/bpf" -name 'abi*')
		mv "$now" "$HOLDFAST_DIR/bpf/abi999"
		start_daemon
		nothing_gets_out 'another version started'
		[ ! -e "$HOLDFAST_DIR/bpf/abi999" ] || fail 'its pins are still there'
		assert_eq "$(sql after 'SELECT 7')" 7
	done
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "trying") | .id')"
}

test_pins_that_root_removes_are_noticed_and_put_back() {
	arrived_before=$(arrived)
	start_trying
	rm -rf "$HOLDFAST_DIR"/bpf/abi*
	nothing_gets_out 'pins removed'
	event_came tampered
	event_came repaired
	assert_has "$(hf status)" 'TAMPERED'
	nothing_gets_out 'pins put back'
	# They are there again: without them the death of the daemon would open everything.
	kill_daemon
	nothing_gets_out 'daemon killed after the pins were put back'
	start_daemon
	umount -l "$HOLDFAST_DIR/bpf"
	wait_ledger "SELECT count(*) > 1 FROM events WHERE kind = 'repaired'" 1 20
	kill_daemon
	nothing_gets_out 'daemon killed after bpffs was mounted again'
	start_daemon
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "trying") | .id')"
}

# Of all three where root may; of the warden, which has its own uid, anywhere.
starve() {
	prlimit --pid "$(daemon_pid)" "$1"
	for pid in $(enforcer_pid) $(scribe_pid); do prlimit --pid "$pid" "$1" 2> /dev/null || echo "not of $pid"; done
}

test_starved_of_descriptors() {
	arrived_before=$(arrived)
	start_trying
	starve --nofile=24:24
	nothing_gets_out 'no descriptors left'
	stop_daemon
	nothing_gets_out 'and stopped'
	start_daemon
	wait_until 20 is_up
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "trying") | .id')"
}

test_starved_of_memory() {
	arrived_before=$(arrived)
	start_trying
	starve --as=1000000:1000000
	nothing_gets_out 'no memory left'
	stop_daemon
	nothing_gets_out 'and stopped'
	start_daemon
	wait_until 20 is_up
	hf kill "$(hf status --json | jq -r '.. | objects | select(.name? == "trying") | .id')"
}

run_tests
