#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Budgets: no function over 120 lines, no file over 800; nine functions in ten under 60. A function
# here is what lies between braces in the first column, its signature included.
set -eu
cd "$(dirname "$0")/.."

find user bpf tests \( -name '*.c' -o -name '*.h' \) | sort | xargs awk '
FNR == 1 { if (lines > 800) over(last, lines); last = FILENAME; start = 0 }
{ lines = FNR }
/^[A-Za-z_].*\(/ && !/;$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); head = FNR }
/^\{/ && head { start = head }
/^\}/ && start {
	n = FNR - start + 1; count++; size[count] = n
	if (FILENAME ~ /^(user|bpf)\//) { ours++; if (n > 60) long++ }
	if (n > 120) { printf "%s:%d: %s has %d lines, the limit is 120\n", FILENAME, start, name, n; bad = 1 }
	start = head = 0
}
function over(f, n) { printf "%s: %d lines, the limit is 800\n", f, n; bad = 1 }
END {
	if (lines > 800) over(last, lines)
	if (ours) printf "  %d functions, %d over 60 lines (%.1f %%)\n", ours, long, 100 * long / ours
	if (ours && long / ours > 0.1) { print "more than one function in ten is over 60 lines"; bad = 1 }
	exit bad
}'
