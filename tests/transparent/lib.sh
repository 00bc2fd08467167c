# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the groups of this folder share: a policy that allows everything, and the comparison.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

# shellcheck disable=SC2034 # the groups read it
HERE=$E2E_ROOT/tests/transparent
policy_of_all() { # ADDRESS:PORT
	policy <<-YAML
	version: 1
	default: {$(sed -n 's/^EFFECT([A-Z]*, "\([a-z]*\)".*/\1: allow/p' "$E2E_ROOT/user/fact/effects.def" | paste -sd,)}
	resources:
	  - name: all
	    at: ["$1"]
	    protocol: postgres
	YAML
}

# same NAME COMMAND…: its output, first direct and then as an agent; each begins with the same database
# and leaves the same.
same() {
	local name=$1
	shift
	pg_refill
	"$@" > "$T/$name.direct" 2>&1 || true
	state > "$T/$name.direct.state"
	pg_refill
	in_run "$name" -- "$@" > "$T/$name.through" 2>&1 || true
	state > "$T/$name.through.state"
	[ -s "$T/$name.direct" ] || fail "$name printed nothing"
	diff "$T/$name.direct" "$T/$name.through" > "$T/$name.diff" ||
		fail "$name differs: $({ head -n 30 "$T/$name.diff"; echo "… and ends with:"; tail -n 5 "$T/$name.through"; } | cut -c -300)"
	diff "$T/$name.direct.state" "$T/$name.through.state" > "$T/$name.diff" || fail "$name left another database: $(head -n 20 "$T/$name.diff")"
}
dumped() { grep -v '^\\\(un\)\?restrict'; } # newer versions of pg_dump write a random word there
state() { pg_dump -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres shop | dumped; }
# A client that stumbles the same way twice has shown nothing.
lacks_trace() { assert_lacks "$(cat "$T/$1.direct")" Traceback; }

driver() { same "$1" /usr/bin/python3 "$HERE/drivers.py" "$1" "$E2E_PGPORT"; lacks_trace "$1"; }
# What the script does not expect ends it.
same_jdbc() { # [strict]
	same jdbc java -XX:-UsePerfData -Xmx256m -Duser.timezone=UTC -Duser.language=en -Dfile.encoding=UTF-8 \
		-cp /usr/share/java/postgresql.jar:/usr/share/java/bsh.jar bsh.Interpreter "$HERE/jdbc.bsh" "$E2E_PGPORT" "$@"
	assert_eq "$(tail -n 1 "$T/jdbc.direct")" 'closed true'
}
