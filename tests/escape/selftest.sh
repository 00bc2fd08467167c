#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `holdfast selftest escape`, as an operator runs it: every way out it knows is closed, each works
# outside a run, and no packet reaches another host.
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
start_daemon || exit 1
TEST_SECS=150

state_of() { jq -r --arg p "$1" 'select(.probe? == $p) | .state' "$G/escape.json"; }
sum() { jq -r "select(.ways?) | $1" "$G/escape.json"; }

test_every_way_out_is_closed() {
	rc=0
	hf selftest escape --json > "$G/escape.json" || rc=$?
	jq -r 'select(.state? == "open") | "OPEN \(.probe): \(.why)"' "$G/escape.json"
	jq -r 'select(.state? == "untested") | "untested \(.probe): \(.why)"' "$G/escape.json"
	assert_eq "$rc" 0
	assert_eq "$(sum .open)" 0
	[ "$(sum .closed)" -ge 100 ] || fail "only $(sum .closed) were tested"
	echo "$(sum .ways) ways, $(sum .attempts) attempts, $(sum .closed) closed, $(sum .untested) cannot be tested here" >> "$E2E_TMP/numbers"
}

test_no_packet_reached_another_host() {
	[ "$(sum .has_far_side)" = true ] || skip 'no veth here'
	assert_eq "$(sum .packets_outside)" 0
	[ "$(sum .packets_of_control)" -gt 20 ] || fail 'the capture sees nothing: it proves nothing'
}

# What this machine must be able to test: a probe that broke would count as untested, and hide.
test_ways_that_every_host_has_are_tested() {
	for probe in 'tcp_connect near4' 'tcp_connect near6' 'tcp_connect far4' 'tcp_connect far6' 'tcp_mapped far4' \
		'tcp_fastopen_send far4' 'tcp_flood far4' 'udp_sendto near4' 'udp_sendto far6' 'udp_pktinfo far4' \
		'udp_sendmmsg far4' 'udp_multicast far4' 'group_join far4' 'group_join far6' 'group_join_any far6' 'group_join_source far4' 'dns_udp far4' 'dns_tcp far4' 'raw_header far4' packet_raw netlink_route \
		unix_path unix_abstract unix_dgram unix_ctl unix_run 'inbound_tcp near4' 'inbound_udp near4' passed_tcp 'passed_unconnected far4' 'passed_reconnected far4' 'passed_udp far4' passed_unix pidfd_getfd ptrace \
		cgroup_move cgroup_clone cgroup_mount bpffs_see ledger_read bpf_load setns_net capabilities new_privileges; do
		assert_eq "$(state_of "$probe")" closed "$probe"
	done
}

test_nothing_is_left_behind() {
	assert_lacks "$(ls /sys/class/net)" hfs
	assert_eq "$(find /tmp -maxdepth 1 -name 'holdfast-selftest.*' -newer "$G/policy.yaml" | wc -l)" 0
}

# The suite must see a way out where there is one: the policy names the far host here.
test_a_way_that_the_policy_opens_is_told() {
	policy <<-YAML
	version: 1
	default: {session: allow, other: hold}
	resources:
	  - {name: everything, at: ["198.18.0.0/15:*"], protocol: opaque}
	YAML
	hf reload
	assert_exit 1 hf selftest escape
	assert_has "$OUT" 'OPEN     TCP connect(), to another host (v4)'
}

test_it_says_what_it_needs() {
	assert_exit 4 setpriv --reuid=65534 --regid=65534 --clear-groups "$B/holdfast" selftest escape
	stop_daemon
	assert_exit 3 hf selftest escape
}

run_tests
