#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nothing leaves unseen (P1): each way out is tried from inside a run, as arbitrary code would. What
# can be tried by anyone is also tried outside a run first, so that "blocked" means us.
. "$(dirname "$0")/../e2e/lib.sh"

OUT_TCP=$(free_port) OUT_UDP=$(free_port) OUT_UNIX=$G/out.sock OUT_ABSTRACT=holdfast-out-$$
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
start_daemon || exit 1
OUT_PORT_ENFORCER=$HF_PORT
chmod 777 "$G"
/usr/bin/python3 "$(dirname "$0")/outside.py" "$OUT_TCP" "$OUT_UDP" "$OUT_UNIX" "$OUT_ABSTRACT" > "$G/outside.log" 2>&1 &
OUT_PID=$!
export OUT_TCP OUT_UDP OUT_UNIX OUT_ABSTRACT OUT_PID OUT_PORT_ENFORCER
trap 'kill $OUT_PID; clean_group' EXIT
wait_until 5 file_has "$G/outside.log" ready || exit 1

ATTEMPTS=$E2E_ROOT/tests/escape/attempts.py
blocked() { # NAME…: tried from inside, none may get out, and nothing may have arrived
	: > "$G/outside.log"
	in_run escapee -- /usr/bin/python3 "$ATTEMPTS" "$@" > "$T/got" 2>&1 || { cat "$T/got"; return 1; }
	cat "$T/got"
	assert_eq "$(grep -c '^blocked' "$T/got")" "$#" 'not all were blocked'
	assert_lacks "$(cat "$G/outside.log")" RECEIVED 'it arrived outside'
}
works_outside() { # NAME…: the attempt itself is sound
	setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$ATTEMPTS" "$@" > "$T/control" 2>&1 7< /dev/null
	assert_eq "$(grep -c '^ESCAPED' "$T/control")" "$#" "an attempt does not even work outside: $(cat "$T/control")"
}

test_control_the_attempts_work_outside_a_run() {
	works_outside tcp_unlisted tcp_mapped bound_source udp_sendto udp_connected udp_mapped netlink unix_path \
		unix_relative unix_proc_cwd unix_abstract unix_dgram capabilities leaked_descriptors
}
test_tcp_to_what_no_resource_names() { blocked tcp_unlisted tcp_mapped bound_source bind_to_device source_route fast_open; }
test_the_enforcers_own_port_is_no_way_through() { blocked tcp_enforcer_port tcp_token_address; }
test_udp() { blocked udp_sendto udp_connected udp_mapped udplite; }
test_what_the_kernel_refused_is_in_the_ledger() {
	in_run told -- /usr/bin/python3 "$ATTEMPTS" udp_sendto > /dev/null
	wait_ledger "SELECT count(*) > 0 FROM events WHERE detail LIKE '%sendmsg4%127.0.0.1:$OUT_UDP%'" 1
}
test_other_transport_protocols() { blocked mptcp sctp ping; }
test_raw_and_packet_sockets() { blocked raw_ip packet packet_dgram xdp; }
test_families_without_a_hook() { blocked vsock netlink alg bluetooth; }
test_io_uring() { blocked io_uring; }
test_unix_sockets_by_any_name() { blocked unix_path unix_relative unix_proc_cwd unix_abstract unix_dgram; }
test_other_network_namespace() { blocked own_netns join_netns; }
test_moving_to_another_cgroup() { blocked move_cgroup make_cgroup mount_cgroup; }
test_removing_the_pins() { blocked remove_pins; }
test_writing_journals_and_reading_the_ledger() { blocked write_journal read_ledger; }
test_other_processes() { blocked ptrace_stranger ptrace_self_family write_memory read_vm steal_descriptor kill_stranger; }
test_kernel_interfaces() { blocked load_bpf perf keyring; }
test_privileges() { blocked become_root capabilities own_uid_shared; }
test_descriptors_of_the_caller_do_not_come_along() {
	exec 9< /etc/passwd 8> "$T/leak"
	blocked leaked_descriptors
}
test_terminal_input_of_the_caller() { blocked push_terminal_input; }

# A range of one port makes listen() alone take it, which no hook sees: the enforcer's, while it is away.
test_range_of_local_ports_cannot_be_chosen() {
	assert_eq "$(in_run squatter -- /usr/bin/python3 -c "
import socket
s = socket.socket()
try:
    s.setsockopt(socket.IPPROTO_IP, 51, 30000 | 30000 << 16)
    print('chosen')
except OSError as e:
    print(e.strerror)")" 'Operation not permitted'
}

test_foreign_architecture() {
	assert_lacks "$(in_run escapee -- "$B/tests/escape/int80" 2>&1 || true)" ESCAPED
}

test_control_sockets_do_not_answer_a_run() { blocked ctl_socket run_socket; }

test_agent_cannot_approve_itself() {
	bg psql sql guilty 'DELETE FROM orders WHERE id = 70 /* guilty */'
	h=$(wait_hold guilty)
	for args in "approve $h -m mine" "deny $h -m mine" "pending" "reload" "detach --yes" "run -- true"; do
		# shellcheck disable=SC2086 # words are meant
		if in_run guilty2 -- "$B/holdfast" $args > "$T/out" 2>&1; then fail "a run may: holdfast $args"; fi
	done
	has_hold guilty
	if server_saw '/* guilty */'; then fail 'the server saw it'; fi
	deny "$h"
	finish "$BG" || true
}

test_person_outside_the_groups_may_not_decide_or_run() {
	bg psql sql victim 'DELETE FROM orders WHERE id = 71'
	h=$(wait_hold victim)
	nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$B/holdfast" "$@"; }
	if nobody approve "$h" -m no; then fail 'nobody approved it'; fi
	if nobody run -- true; then fail 'nobody started a run'; fi
	if nobody reload; then fail 'nobody reloaded'; fi
	has_hold victim
	deny "$h"
	finish "$BG" || true
}

test_listener_inside_answers_nobody_outside() {
	port=$(free_port)
	bg listener in_run server -- /usr/bin/python3 -c "
import socket
s = socket.socket()
s.bind(('127.0.0.1', $port))
s.listen(1)
s.settimeout(8)
print('ready', flush=True)
try:
    c, _ = s.accept()
    c.sendall(b'smuggled')
except OSError as e:
    print('no', e)"
	wait_until 10 file_has "$T/listener.out" ready || return 0
	got=$(/usr/bin/python3 -c "
import socket
try:
    s = socket.create_connection(('127.0.0.1', $port), timeout=3)
    print(s.recv(100))
except OSError as e:
    print('refused', e)")
	assert_lacks "$got" smuggled
	kill "$BG" 2> /dev/null || true
}

test_children_and_daemons_of_a_run_stay_inside() {
	: > "$G/outside.log"
	# The grandchild outlives its parents, and who relayed their output.
	in_run parent -- sh -c "(setsid /usr/bin/python3 '$ATTEMPTS' udp_sendto tcp_unlisted > '$T/child' 2>&1 &)"
	wait_until 30 file_has "$T/child" tcp_unlisted
	assert_lacks "$(cat "$T/child")" ESCAPED
	assert_lacks "$(cat "$G/outside.log")" RECEIVED
}

test_no_port_of_ours_answers_a_stranger_outside() {
	got=$(/usr/bin/python3 -c "
import socket
try:
    s = socket.create_connection(('127.0.0.1', $HF_PORT), timeout=5)
    s.sendall(b'hello')
    print(s.recv(100) or 'closed')
except OSError as e:
    print('closed', e)")
	assert_has "$got" closed
}

run_tests
