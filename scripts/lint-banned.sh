#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Words that have no place here. One row per rule: what, why, where.
# shellcheck disable=SC2046,SC2086 # our file names have no blanks, lists are meant to split
set -eu
cd "$(dirname "$0")/.."

bad=0
code=$(find user bpf -name '*.[ch]' -o -name '*.def')
tests=$(find tests -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.js' -o -name run \))
all=$(find Makefile README.md bpf user policies scripts tests vmlinux .ci -type f 2>/dev/null |
	grep -vE '/(corpus|vectors)/|^scripts/lint-banned.sh$|\.pyc$')

complain() { # lines on stdin
	while IFS= read -r line; do printf '%.160s   <- %s\n' "$line" "$1"; done
}
ban() { # PATTERN WHY FILES…
	pattern=$1 why=$2
	shift 2
	if hits=$(grep -nIE "$pattern" /dev/null "$@"); then
		printf '%s\n' "$hits" | complain "$why"
		bad=1
	fi
}

w='(^|[^A-Za-z0-9_])'
ban "$w(strcpy|stpcpy|strcat|strncat|sprintf|vsprintf|gets|strtok)[[:space:]]*\\(" 'unbounded: use slice, writer, snprintf' $code
ban "$w(atoi|atol|atoll|atof)[[:space:]]*\\(" 'cannot tell an error: use reader or strtoul with checks' $code
ban "$w(alloca|strdupa|system|popen)[[:space:]]*\\(" 'stack of a size that someone else chooses, or a shell' $code
ban '^typedef (struct|union|enum)' 'say struct' $code $tests
ban "$w(TODO|FIXME|XXX|HACK)([^A-Za-z0-9_]|\$)" 'finish it, or write the issue' $all
# Where someone happened to write this: a pattern that does not match itself.
ban '/(wor[k]|far[m])/|\.librar[y]/' 'a path of one machine' $all
# A sleep hides a race. The helpers that wait on a condition with a deadline say so on the line.
# (A benchmark may pace itself.)
if hits=$(grep -nE "$w(sleep|usleep|nanosleep|setTimeout)[ (]" /dev/null $(printf '%s\n' $tests | grep -v '^tests/bench/') | grep -v 'condition helper'); then
	printf '%s\n' "$hits" | complain 'wait on a condition with a deadline'
	bad=1
fi

for f in $(printf '%s\n' $code $tests | grep -E '\.([ch]|def|sh)$') $(find vmlinux -name '*.h'); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier' || { echo "$f:1: no SPDX line"; bad=1; }
done
for f in $(printf '%s\n' $code | grep '\.h$'); do
	grep -q '^#pragma once' "$f" || { echo "$f:1: no #pragma once"; bad=1; }
done
exit $bad
