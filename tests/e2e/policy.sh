#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Policy and config files: good, bad, changed under way; exit codes that scripts can rely on.
. "$(dirname "$0")/lib.sh"

good() { # RULING for deletes
	cat > "$G/new.yaml" <<-YAML
	version: 1
	default: {read: allow, session: allow, other: deny}
	$(standard_resources)
	rules:
	  - name: deletes
	    when: {effect: delete}
	    then: $1
	YAML
	[ "$1" = allow ] || echo '    message: "rule says deny"' >> "$G/new.yaml"
	chmod 644 "$G/new.yaml"
	mv "$G/new.yaml" "$G/policy.yaml"
}
bad() {
	cat > "$1" <<-'YAML'
	version: 1
	default: {read: allow, session: allow, other: maybe}
	resources:
	  - name: shop
	    at: ["127.0.0.1:5432"]
	    protokol: postgres
	rules:
	  - name: x
	    when: {effect: [delete, destory]}
	    then: hold
	YAML
	chmod 644 "$1"
}
good deny
start_daemon || exit 1

reload_signal() { kill -HUP "$(daemon_pid)"; }
policy_version() { hf status --json | jq -r .policy.version; }

test_policy_check_lists_all_errors_with_places_and_exits_2() {
	bad "$T/bad.yaml"
	assert_exit 2 hf policy check "$T/bad.yaml"
	assert_has "$OUT" bad.yaml:2:
	assert_has "$OUT" bad.yaml:6:
	assert_has "$OUT" protocol 'no suggestion'
	assert_has "$OUT" bad.yaml:9:
	assert_has "$OUT" destroy 'no suggestion'
	assert_exit 0 hf policy check "$G/policy.yaml"
}

test_daemon_with_a_bad_policy_exits_2_with_all_errors() {
	bad "$T/bad.yaml"
	sed "s|^policy:.*|policy: $T/bad.yaml|; s|^dir:.*|dir: $T/run|; s|^cgroup:.*|cgroup: $HF_CGROUP-bad|" "$G/config.yaml" > "$T/config.yaml"
	assert_exit 2 timeout 20 "$B/holdfastd" --config "$T/config.yaml" --foreground
	assert_has "$OUT" bad.yaml:2:
	assert_has "$OUT" bad.yaml:6:
	assert_has "$OUT" bad.yaml:9:
	[ -z "$(find /sys/fs/cgroup -name "$HF_CGROUP-bad" 2> /dev/null)" ] || fail 'it made cgroups'
}

test_broken_config_exits_2_with_all_errors() {
	printf 'polcy: /x\nworkers: many\nport: 99999\n' > "$T/config.yaml"
	assert_exit 2 timeout 20 "$B/holdfastd" --config "$T/config.yaml" --foreground
	assert_has "$OUT" config.yaml:1:
	assert_has "$OUT" config.yaml:2:
	assert_has "$OUT" config.yaml:3:
	assert_exit 2 timeout 20 "$B/holdfastd" --config "$T/missing.yaml" --foreground
	assert_exit 2 timeout 20 "$B/holdfastd" --no-such-option
}

test_not_root_exits_3_with_one_sentence() {
	assert_exit 3 setpriv --reuid=65534 --regid=65534 --clear-groups "$B/holdfastd" --config "$G/config.yaml" --foreground
	assert_has "$OUT" root
	assert_eq "$(printf '%s\n' "$OUT" | wc -l)" 1 'more than a sentence'
}

test_second_daemon_on_the_same_folder_is_refused() {
	assert_exit 3 timeout 20 "$B/holdfastd" --config "$G/config.yaml" --foreground
	hf status > /dev/null
}

test_reload_takes_a_good_policy() {
	before=$(policy_version)
	assert_exit 1 sql re 'DELETE FROM orders WHERE id = 50'
	assert_has "$OUT" 'rule says deny'
	good allow
	reload_signal
	changed() { [ "$(policy_version)" != "$before" ]; }
	wait_until 10 changed
	sql re 'DELETE FROM orders WHERE id = 50'
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 50')" 0
	wait_ledger 'SELECT count(DISTINCT policy) FROM requests' 2
}

test_reload_keeps_the_old_policy_when_the_new_one_is_bad() {
	before=$(policy_version)
	cp "$G/policy.yaml" "$T/keep.yaml"
	bad "$G/policy.yaml"
	assert_exit 2 hf reload
	assert_has "$OUT" policy.yaml:6:
	assert_eq "$(policy_version)" "$before"
	assert_eq "$(sql re 'SELECT 1')" 1
	cp "$T/keep.yaml" "$G/policy.yaml"
	assert_exit 0 hf reload
}

test_live_session_is_judged_by_the_new_policy() {
	good allow
	hf reload
	mkfifo "$T/in"
	exec 7<> "$T/in"
	bg psql in_run live -- psql -XqAt "$SHOP" < "$T/in" 7>&-
	echo 'DELETE FROM orders WHERE id = 51;' >&7
	wait_until 10 server_saw 'WHERE id = 51'
	good deny
	hf reload
	echo 'DELETE FROM orders WHERE id = 52;' >&7
	wait_until 10 file_has "$T/psql.out" 'rule says deny'
	echo '\q' >&7
	exec 7>&-
	finish "$BG"
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id IN (51, 52)')" 1
}

test_observe_mode_records_and_enforces_nothing() {
	cat > "$G/policy.yaml" <<-YAML
	version: 1
	mode: observe
	default: {read: allow, session: allow, other: hold}
	$(standard_resources)
	rules:
	  - name: deletes
	    when: {effect: delete}
	    then: deny
	YAML
	hf reload
	sql obs 'DELETE FROM orders WHERE id = 53 /* observed */'
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 53')" 0
	wait_ledger "SELECT ruling || ' ' || rule || ' ' || status FROM requests WHERE text LIKE '%/* observed */%'" 'would-deny deletes ok'
	good deny
	hf reload
}

test_policy_test_and_explain() {
	for f in "$E2E_ROOT"/policies/*.yaml; do
		assert_exit 0 hf policy test "$f"
	done
	assert_exit 0 hf policy explain "$G/policy.yaml" 'DELETE FROM orders'
	assert_has "$OUT" deletes
}

test_doctor_tells_what_this_host_enforces() {
	assert_exit 0 hf doctor
	assert_has "$OUT" connect4
	hf doctor --json | jq -e . > /dev/null
}

test_usage_errors_exit_2_and_no_daemon_exits_3() {
	assert_exit 2 hf frobnicate
	assert_exit 2 hf approve
	assert_exit 3 env HOLDFAST_DIR="$T/nowhere" "$B/holdfast" pending
}

run_tests
