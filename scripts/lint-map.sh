#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# README promises a newcomer a way through the code: section "Follow one DROP TABLE", each step a
# `folder/file:function`. Fails when a step leads nowhere.
set -eu
cd "$(dirname "$0")/.."

steps=$(sed -n '/^#.*Follow one DROP TABLE/,/^#/{/^#/!p}' README.md 2>/dev/null |
	grep -oE '`[a-z0-9_./-]+\.[ch]:[a-z0-9_]+`' | tr -d '`' || true)
if [ "$(printf '%s\n' "$steps" | grep -c .)" -lt 9 ]; then
	echo 'README.md: section "Follow one DROP TABLE" names fewer than nine file:function steps'
	exit 1
fi

bad=0
for step in $steps; do
	file=${step%:*} function=${step#*:}
	[ -e "$file" ] || file=user/$file
	if [ ! -e "$file" ]; then
		echo "README.md: $step: no such file"
		bad=1
	# A definition begins in the first column and does not end like a prototype.
	elif ! grep -E "^[A-Za-z].*[^A-Za-z0-9_]$function\(" "$file" | grep -qv ';$' &&
		! grep -qE "^$function\(" "$file"; then
		echo "README.md: $step: $file defines no $function"
		bad=1
	fi
done
exit $bad
