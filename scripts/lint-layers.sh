#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails on an include that goes against the layers: a file sees its own folder and what the table
# gives it, nothing else. The one place where the table stands; README and design repeat it in words.
set -eu
cd "$(dirname "$0")/.."

find bpf user -name '*.[ch]' -o -name '*.def' | sort | xargs grep -nE '^[[:space:]]*#[[:space:]]*include' |
awk '
BEGIN {
	# folder: what it may include besides itself. A name with a dot is one file, else a folder.
	left = "util fact"
	sees["util"]    = ""
	sees["fact"]    = "util"
	sees["proto"]   = sees["sql"] = sees["policy"] = sees["mask"] = sees["net"] = left
	sees["sql"]     = left " estimate.sql.h hidden.sql.h impact.sql.h"
	sees["kern"]    = left " bpf/abi.h bpf/sweep.h intercept.skel.h sweep.skel.h"
	sees["audit"]   = left " schema.sql.h"
	middle          = left " proto sql policy mask kern net audit bpf/abi.h"
	sees["hold"]    = middle
	sees["session"] = middle " hold"
	sees["ctl"]     = sees["session"] " session"
	sees["priv"]    = sees["session"] " session ctl/wire.h"
	sees["daemon"]  = sees["session"] " session ctl priv"
	# The command line tool asks the daemon over its sockets and reads the ledger; no more.
	sees["selftest"] = left
	sees["cli"]     = left " selftest policy sql ctl/wire.h audit/query.h audit/replay.h audit/verify.h audit/checkpoint.h audit/backup.h audit/export.h audit/contents.h"

	# Libraries that one folder alone may speak to.
	only["bpf/"] = only["libmnl/"] = "kern"
	only["sqlite3.h"] = "audit"
	only["pg_query.h"] = "sql"
	only["curl/"] = "net"
	only["seccomp.h"] = only["sys/capability.h"] = "priv"

	# Where bytes and rules meet. Everyone else knows one of them, or neither.
	meet = "user/session/decide."
}
function may(dir, inc,    n, i, w) {
	n = split(sees[dir], w, " ")
	for (i = 1; i <= n; i++)
		if (inc == w[i] || (w[i] !~ /\./ && index(inc, w[i] "/") == 1))
			return 1
	return index(inc, dir "/") == 1
}
function fail(what) { printf "%s:%s: %s\n", file, line, what; bad++ }
{
	split($0, part, ":"); file = part[1]; line = part[2]
	if (!match($0, /["<][^">]+[">]/)) next
	inc = substr($0, RSTART + 1, RLENGTH - 2)
	is_system = substr($0, RSTART, 1) == "<"
	split(file, path, "/")
	if (path[1] == "bpf") {
		if (!is_system && inc ~ /\// )
			fail("bpf/ includes only its own headers and vmlinux.h, not " inc)
		next
	}
	dir = path[2]
	if (!(dir in sees)) { fail("user/" dir " is no layer of ours"); next }
	if (is_system) {
		for (lib in only)
			if (index(inc, lib) == 1 && only[lib] != dir)
				fail("<" inc "> belongs to user/" only[lib])
		next
	}
	if (!may(dir, inc))
		fail("user/" dir " may not include \"" inc "\"")
	if (inc ~ /^proto\//) proto[file] = line
	if (inc ~ /^policy\//) policy[file] = line
}
END {
	for (f in proto)
		if (f in policy && index(f, meet) != 1) {
			file = f; line = proto[f]
			fail("proto/ and policy/ meet only in " meet "c")
		}
	exit bad > 0
}'
