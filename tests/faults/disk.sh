#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No room for history, no request: refused with an error that says so, until there is room (P2, P3).
. "$(dirname "$0")/../e2e/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
# The ledger's folder is a file system so small that it can be filled in a moment.
mkdir -p "$(dirname "$HOLDFAST_LEDGER")"
mount -t tmpfs -o size=4m,mode=755 tmpfs "$(dirname "$HOLDFAST_LEDGER")"
start_daemon || exit 1

BALLAST=$(dirname "$HOLDFAST_LEDGER")/ballast
fill() { dd if=/dev/zero of="$BALLAST" bs=4k 2> /dev/null || true; }
works() { sql disk 'SELECT 1'; }
refused() { ! works; }

test_full_disk_refuses_with_a_sentence_and_resumes() {
	works
	fill
	# What is on its way still fits the ring; soon the scribe finds that it cannot write.
	wait_until 30 refused
	assert_exit 1 sql disk 'SELECT 2 /* full */'
	assert_has "$OUT" ledger 'the error does not say why'
	if server_saw '/* full */'; then fail 'forwarded without a record'; fi
	hf status > "$T/status" || true
	rm -f "$BALLAST"
	wait_until 30 works
	assert_eq "$(sql disk 'SELECT 3')" 3
	wait_ledger "SELECT count(*) > 0 FROM requests WHERE text = 'SELECT 3'" 1
	assert_eq "$(ledger 'PRAGMA integrity_check')" ok
}

run_tests
