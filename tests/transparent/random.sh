#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever a client sends: random sequences of messages come to the same end on both ways, and random text
# is read as the server reads it. SEED=… repeats what failed; SOAK=1 takes its time.
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-$((RANDOM % 20000))}
TEST_SECS=${SOAK:+3600}
TEST_SECS=${TEST_SECS:-200}
policy_of_all "127.0.0.1:$E2E_PGPORT"
start_daemon || exit 1

test_random_sequences() {
	echo "SEED=$SEED"
	same random /usr/bin/python3 "$HERE/property.py" "$E2E_PGPORT" "$SEED" "${SOAK:+20}60"
	lacks_trace random
	grep -c '^====' "$T/random.direct" | sed "s/.*/random: & sequences, the same on both ways (seed $SEED)/" >> "$E2E_TMP/numbers"
}

test_random_text() {
	local n=15000
	[ -z "${SOAK:-}" ] || n=1000000
	/usr/bin/python3 "$HERE/fuzz.py" "$E2E_PGSOCK" "$E2E_PGPORT" "$B/tests/transparent/lexdiff" "$SEED" "$n" > "$T/fuzz" || fail "$(tail -n 20 "$T/fuzz")"
	tail -n 1 "$T/fuzz" >> "$E2E_TMP/numbers"
}

run_tests
