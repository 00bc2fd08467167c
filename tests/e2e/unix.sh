#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unix sockets: a database's is decoded exactly like TCP, whatever it is called; no other is reached.
. "$(dirname "$0")/lib.sh"

SOCK=$E2E_PGSOCK/.s.PGSQL.$E2E_PGPORT
with_unix() { # further lines of the resource on stdin
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	resources:
	  - name: shop
	    at: ["unix:$SOCK"]
	    protocol: postgres
	    tags: [production-db]
	    $(cat)
	  - {name: named, at: "unix:@holdfast-e2e-$E2E_PGPORT", protocol: opaque}
	rules:
	  - {name: may-sleep, when: {effect: execute, object: ["pg_sleep", "pg_catalog.pg_sleep"]}, then: allow}
	  - {name: no-destruction, when: {effect: destroy}, then: deny, message: "not here"}
	masks:
	  - {name: pii, columns: ["*.ssn"], as: redact}
	YAML
}
with_unix < /dev/null
start_daemon || exit 1
grep -q 'no connect_unix' "$G/daemon.log" && HAS_HOOK= || HAS_HOOK=1
case ${E2E_DAEMON_ARGS:-} in *'--without connect_unix'*) HAS_HOOK= ;; esac
# Without the hook a run can make no unix socket at all, and that is what there is to see.
needs_hook() {
	[ -n "$HAS_HOOK" ] && return 0
	assert_has "$(says "$SOCK")" 'not supported'
	exit 0
}

unix_sql() { # NAME SQL [HOST]
	in_run "$1" -- psql -XqAt "host=${3:-$E2E_PGSOCK} port=$E2E_PGPORT user=agent dbname=shop" -c "$2"
}
says() { # PATH: what connect() and the first byte say; @name is abstract
	in_run says -- /usr/bin/python3 -c "
import socket
where = '$1'
try:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect('\0' + where[1:] if where[0] == '@' else where)
    print(s.recv(10).decode() or 'closed')
except OSError as e:
    print(e.strerror)"
}

# Where the hooks send unix connects. Other daemons on this host have such names, too.
our_name() {
	awk '$NF ~ /^@hfunix-[0-9a-f]+$/ { print $7, $NF }' /proc/net/unix | while read -r inode name; do
		if find "/proc/$(daemon_pid)/fd" -lname "socket:\[$inode\]" | grep -q .; then echo "$name"; fi
	done
}

test_statements_are_judged_as_over_tcp() {
	needs_hook
	assert_eq "$(unix_sql judged 'SELECT 6 * 7')" 42
	assert_eq "$(unix_sql judged 'SELECT ssn FROM customers WHERE id = 1')" '****'
	assert_exit 1 unix_sql judged 'DROP TABLE customers'
	assert_has "$OUT" 'denied by rule "no-destruction": not here'
	wait_ledger "SELECT DISTINCT target FROM sessions WHERE resource = 'shop'" "unix:$SOCK"
	assert_eq "$(admin "SELECT count(*) FROM customers")" 4
}

test_hold_and_release_and_cancel() {
	needs_hook
	bg psql unix_sql held 'DELETE FROM orders WHERE id = 90'
	h=$(wait_hold held)
	approve "$h"
	finish "$BG"
	assert_eq "$(admin 'SELECT count(*) FROM orders WHERE id = 90')" 0
	bg psql unix_sql cancelled 'DELETE FROM orders WHERE id = 91 /* unix cancelled */'
	wait_hold cancelled
	signal_run cancelled INT
	wait_until 15 has_no_hold cancelled
	finish "$BG" || true
	if server_saw '/* unix cancelled */'; then fail 'it ran'; fi
}

test_other_names_of_the_same_socket_are_the_same() {
	needs_hook
	ln -s "$E2E_PGSOCK" "$E2E_TMP/link-$$"
	ln "$SOCK" "$E2E_PGSOCK/hard"
	assert_eq "$(unix_sql link 'SELECT 1' "$E2E_TMP/link-$$")" 1
	assert_eq "$(unix_sql dots 'SELECT 2' "$E2E_PGSOCK/../$(basename "$E2E_PGSOCK")/.")" 2
	wait_ledger "SELECT DISTINCT target FROM sessions WHERE resource = 'shop'" "unix:$SOCK"
	rm "$E2E_TMP/link-$$" "$E2E_PGSOCK/hard"
}

# It begins where the agent was when it connected, wherever it goes behind that.
test_relative_path_is_the_same_socket_from_a_folder_above_it() {
	needs_hook
	mkdir "$T/decoy"
	chmod 755 "$T" "$T/decoy"
	bg decoy /usr/bin/python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX)
os.chdir('$T/decoy')
s.bind('.s.PGSQL.$E2E_PGPORT')
os.chmod('.s.PGSQL.$E2E_PGPORT', 0o777)
s.listen()
print('ready', flush=True)
while True:
    s.accept()[0].sendall(b'DECOY')"
	wait_until 10 file_has "$T/decoy.out" ready
	assert_eq "$(cd "$T/decoy" && setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.connect('.s.PGSQL.$E2E_PGPORT')
print(s.recv(10).decode())")" DECOY 'outside of runs'
	mkdir "$E2E_PGSOCK/below"
	ln -s "$SOCK" "$T/decoy/link"
	got=$(in_run relative -- /usr/bin/python3 -c "
import os, socket
name, up = '.s.PGSQL.$E2E_PGPORT', os.path.basename('$E2E_PGSOCK')
def try_(folder, path, then=None):
    os.chdir(folder)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    try:
        s.connect(path)
        if then:
            os.chdir(then)
        s.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
        print(s.recv(10).decode() or 'closed')
    except OSError as e:
        print('closed' if e.errno in (32, 104) else e.strerror)
for folder, path in (('$E2E_PGSOCK', name), ('$E2E_PGSOCK', './' + name), ('$E2E_PGSOCK/..', up + '/' + name), ('/', '$SOCK'[1:]), ('$E2E_PGSOCK', '../' + up + '/below/../' + name)):
    try_(folder, path)
for _ in range(20):
    try_('$E2E_PGSOCK', name, '$T/decoy')
for _ in range(20):
    try_('$T/decoy', name, '$E2E_PGSOCK')
# Not above it: nobody can find such a folder again.
try_('$E2E_PGSOCK/below', '../' + name)
try_('$T/decoy', 'link')" | uniq -c | sed 's/^ *//' | paste -sd,)
	kill "$BG"
	rmdir "$E2E_PGSOCK/below"
	assert_eq "$got" '25 N,22 closed'
	wait_ledger "SELECT count(*) > 0 FROM events e JOIN runs r ON r.id = e.run WHERE r.name = 'relative' AND e.kind = 'target-denied' AND e.detail LIKE 'target=unix:.s.PGSQL.$E2E_PGPORT %'" 1
	wait_ledger "SELECT DISTINCT target FROM sessions s JOIN runs r ON r.id = s.run WHERE r.name = 'relative'" "unix:$SOCK"
}

test_other_sockets_are_shut() {
	/usr/bin/python3 -c "
import socket
a, b = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
a.bind('$T/other.sock')
b.bind('\0holdfast-other-$E2E_PGPORT')
for s in (a, b):
    s.listen()
print('ready', flush=True)
import selectors
sel = selectors.DefaultSelector()
for s in (a, b):
    sel.register(s, selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        key.fileobj.accept()[0].sendall(b'REACHED')" > "$T/server.out" 2>&1 &
	server=$!
	wait_until 10 file_has "$T/server.out" ready
	chmod 777 "$T/other.sock"
	for at in "$T/other.sock" "@holdfast-other-$E2E_PGPORT" /run/dbus/system_bus_socket "$HOLDFAST_DIR/ctl.sock" "$HOLDFAST_DIR/run.sock" relative.sock; do
		case $(says "$at") in
		*REACHED*) fail "$at" ;;
		*reset* | closed | *permitted* | *denied* | *'not supported'*) ;;
		*) fail "$at: $(says "$at")" ;;
		esac
	done
	kill $server
	if [ -n "$HAS_HOOK" ]; then
		wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'target-denied' AND detail LIKE 'target=unix:$T/other.sock %'" 1
	fi
}

test_abstract_name_is_reached_by_that_name_alone() {
	needs_hook
	/usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.bind('\0holdfast-e2e-$E2E_PGPORT')
s.listen()
print('ready', flush=True)
while True:
    s.accept()[0].sendall(b'ABSTRACT')" > "$T/server.out" 2>&1 &
	server=$!
	wait_until 10 file_has "$T/server.out" ready
	assert_eq "$(says "@holdfast-e2e-$E2E_PGPORT")" ABSTRACT
	assert_lacks "$(says "@holdfast-e2e-$E2E_PGPORT\\\\0x")" ABSTRACT
	kill $server
}

test_host_process_gets_nothing_from_our_socket() {
	needs_hook
	name=$(our_name)
	[ -n "$name" ] || fail 'no such listener'
	got=$(/usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect('\0' + '$name'[1:])
try:
    print(s.recv(10) or 'closed')
except OSError as e:
    print('closed', e)")
	assert_has "$got" closed
}

# What a run listens on it may reach itself, with `in_run: allow`; nobody else's, by whatever name.
test_own_sockets_are_reached_only_if_in_run_allows() {
	needs_hook
	chmod 777 "$T"
	cat > "$T/own.py" <<-PY
	import os, socket, sys, threading
	def listen(at):
	    s = socket.socket(socket.AF_UNIX)
	    s.bind(at)
	    s.listen()
	    def serve():
	        while True:
	            c, _ = s.accept()
	            try:
	                while data := c.recv(1000):
	                    c.sendall(b'own ' + data)
	            except OSError:
	                pass
	            c.close()
	    threading.Thread(target=serve, daemon=True).start()
	def ask(at, n=1):
	    s = socket.socket(socket.AF_UNIX)
	    s.settimeout(10)
	    try:
	        s.connect(at)
	        got = ''
	        for _ in range(n):
	            s.sendall(b'hello')
	            got = s.recv(100).decode() or 'closed'
	        return got
	    except OSError as e:
	        return 'closed' if e.errno in (32, 104) else e.strerror
	    finally:
	        s.close()
	own, home = '$T/own.sock', os.environ['HOME'] + '/own.sock'
	for at in (own, home, '\0own-$E2E_PGPORT'):
	    listen(at)
	if sys.argv[1:]:
	    print('ready', flush=True)
	    threading.Event().wait()
	os.chmod(home, 0o700)
	os.chdir('$T')
	os.symlink('$T/foreign.sock', '$T/to-foreign')
	os.symlink(own, '$T/to-own')
	print(*[ask(at) for at in (own, home, '$T/to-own', '$T/./own.sock')], sep=',')
	print(*[ask(at) for at in ('\0own-$E2E_PGPORT', '/proc/self/root$T/own.sock', '$T/foreign.sock', '$T/to-foreign', '/proc/self/cwd/foreign.sock', '/run/dbus/system_bus_socket', '$HOLDFAST_DIR/ctl.sock')], sep=',')
	# The file is ours, who listens is not: somebody outside was given it.
	print(ask('$T/given.sock'))
	# The file is swapped all the time between ours and another's.
	stop = []
	def swap():
	    while not stop:
	        for to in ('$T/foreign.sock', own):
	            os.symlink(to, '$T/new')
	            os.rename('$T/new', '$T/swapped')
	os.symlink(own, '$T/swapped')
	threading.Thread(target=swap).start()
	said = {ask('$T/swapped') for _ in range(60)}
	stop.append(1)
	print(*sorted(said), sep=',')
	print(ask(own, 2000))
	PY
	bg foreign /usr/bin/python3 -c "
import os, socket
def at(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o777)
    s.listen(200)
    return s
f, g = at('$T/foreign.sock'), at('$T/given.sock')
print('ready', flush=True)
import selectors
sel = selectors.DefaultSelector()
for s, name in ((f, 'foreign'), (g, 'given')):
    sel.register(s, selectors.EVENT_READ, name)
while True:
    for key, _ in sel.select():
        c = key.fileobj.accept()[0]
        print('knocked', key.data, flush=True)
        try:
            c.sendall(b'REACHED')
        except OSError:
            pass
        c.close()"
	wait_until 10 file_has "$T/foreign.out" ready
	foreign=$BG
	assert_eq "$(in_run own -- /usr/bin/python3 "$T/own.py" | sed 's/own hello/OWN/g' | grep -c OWN || true)" 0 'in_run: deny'
	find "$T" -mindepth 1 -maxdepth 1 \( -name '*own*' -o -name 'to-*' -o -name swapped -o -name new \) ! -name own.py -delete
	{ cat "$G/policy.yaml"; echo 'in_run: allow'; } > "$T/policy.yaml"
	policy < "$T/policy.yaml"
	hf reload
	# A run's account has a number of its own: the next run's is the next one.
	next=$(($(ledger "SELECT max(uid) FROM runs") + 1))
	chown "$next" "$T/given.sock"
	in_run own -- /usr/bin/python3 "$T/own.py" > "$T/said"
	cat "$T/said"
	assert_eq "$(ledger "SELECT uid FROM runs WHERE name = 'own' ORDER BY id DESC LIMIT 1")" "$next"
	assert_eq "$(sed -n 1p "$T/said")" 'own hello,own hello,own hello,own hello'
	assert_eq "$(sed -n 2p "$T/said")" 'closed,closed,closed,closed,closed,closed,closed'
	assert_eq "$(sed -n 3p "$T/said")" closed
	case $(sed -n 4p "$T/said") in *REACHED*) fail 'swapped' ;; esac
	assert_has "$(sed -n 4p "$T/said")" 'own hello'
	assert_eq "$(sed -n 5p "$T/said")" 'own hello'
	assert_lacks "$(out foreign)" 'knocked foreign'
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'target-denied' AND detail LIKE 'target=unix:$T/foreign.sock %'" 1
	wait_ledger "SELECT count(*) > 0 FROM sessions WHERE resource = 'in_run' AND target = 'unix:$T/own.sock'" 1
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'foreign-socket'" 0
	# Another run's is another's.
	find "$T" -mindepth 1 -maxdepth 1 -name '*own*' ! -name own.py -delete
	bg other in_run other -- /usr/bin/python3 "$T/own.py" serve
	wait_until 10 file_has "$T/other.out" ready
	chmod 777 "$T/own.sock"
	assert_eq "$(says "$T/own.sock")" closed
	# Its connections live while the sweep looks, and end when the policy has it so no more.
	cat > "$T/lasting.py" <<-PY
	import socket, select
	l = socket.socket(socket.AF_UNIX)
	l.bind('$T/lasting.sock')
	l.listen()
	c = socket.socket(socket.AF_UNIX)
	c.connect('$T/lasting.sock')
	s, _ = l.accept()
	for i in range(30):
	    c.sendall(b'%d' % i)
	    assert s.recv(10) == b'%d' % i
	    select.select([], [], [], 0.1)
	print('lasted', flush=True)
	while True:
	    try:
	        c.sendall(b'x')
	        if not s.recv(10):
	            break
	    except OSError:
	        break
	    select.select([], [], [], 0.05)
	print('ended', flush=True)
	PY
	bg lasting in_run lasting -- /usr/bin/python3 "$T/lasting.py"
	wait_until 20 file_has "$T/lasting.out" lasted
	with_unix < /dev/null
	hf reload
	wait_until 10 file_has "$T/lasting.out" ended
	finish "$BG" || true
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "other").id')"
	kill "$foreign"
}

test_policy_without_unix_sockets_refuses_in_the_call() {
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	$(standard_resources)
	YAML
	hf reload
	case $(says "$SOCK") in
	*permitted* | *denied* | *'not supported'*) ;;
	*) fail "$(says "$SOCK")" ;;
	esac
	with_unix
	hf reload
}

# Whoever binds the enforcer's abstract name after its death gets no run's connections, not even in the
# moments in which the hooks cannot know yet that the warden is silent, and not when another starts.
test_name_of_a_dead_daemon_gets_nothing() {
	needs_hook
	name=$(our_name)
	cat > "$T/taker.py" <<-PY
	import select, socket
	while True:
	    s = socket.socket(socket.AF_UNIX)
	    try:
	        s.bind('\0' + '$name'[1:])
	        break
	    except OSError:
	        s.close()
	        select.select([], [], [], 0.001)
	s.listen(50)
	print('taken', flush=True)
	while True:
	    c, _ = s.accept()
	    print('GOT', c.recv(100), flush=True)
	PY
	bg taker setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$T/taker.py"
	taker=$BG
	cat > "$T/agent.py" <<-PY
	import select, socket
	while True:
	    s = socket.socket(socket.AF_UNIX)
	    try:
	        s.connect('$SOCK')
	        s.sendall(b'SECRET')
	        print('sent', flush=True)
	    except OSError as e:
	        print(e.strerror, flush=True)
	    s.close()
	    select.select([], [], [], 0.01)
	PY
	bg agent in_run lasting -- /usr/bin/python3 "$T/agent.py"
	tried() { [ "$(wc -l < "$T/agent.out")" -gt "$1" ]; }
	wait_until 10 tried 2
	kill_daemon
	wait_until 10 file_has "$T/taker.out" taken
	wait_until 10 tried "$(($(wc -l < "$T/agent.out") + 20))"
	start_daemon
	wait_until 10 tried "$(($(wc -l < "$T/agent.out") + 20))"
	assert_lacks "$(out taker)" GOT
	kill "$taker"
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "lasting").id')"
}

# A run that was started under the hook may make unix sockets: it keeps the hook for its whole life.
keeps_the_hook() { # COMMAND that is done between the daemons
	/usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_UNIX)
s.bind('\0holdfast-host-$E2E_PGPORT')
s.listen()
print('ready', flush=True)
while True:
    s.accept()[0].sendall(b'REACHED')" > "$T/server.out" 2>&1 &
	server=$!
	wait_until 10 file_has "$T/server.out" ready
	cat > "$T/agent.py" <<-PY
	import select, socket
	while True:
	    s = socket.socket(socket.AF_UNIX)
	    try:
	        s.connect('\0holdfast-host-$E2E_PGPORT')
	        said = s.recv(10).decode() or 'closed'
	    except OSError as e:
	        said = e.strerror
	    s.close()
	    print(said, flush=True)
	    select.select([], [], [], 0.05)
	PY
	bg agent in_run lasting -- /usr/bin/python3 "$T/agent.py"
	tried() { [ "$(wc -l < "$T/agent.out")" -gt "$1" ]; }
	wait_until 10 tried 2
	assert_lacks "$(out agent)" REACHED
	stop_daemon
	"$@"
	start_daemon --without connect_unix
	wait_until 10 tried "$(($(wc -l < "$T/agent.out") + 20))"
	assert_lacks "$(out agent)" REACHED
	# One that starts now can make none, as without the hook.
	assert_has "$(says "$SOCK")" 'not supported'
	hf kill "$(hf status --json | jq -r '.runs[] | select(.name == "lasting").id')"
	kill $server
	stop_daemon
	start_daemon
	assert_eq "$(unix_sql again 'SELECT 3')" 3
}

test_run_that_lives_keeps_the_hook_through_a_start_without_it() {
	needs_hook
	keeps_the_hook true
}

# Nor does it lose it to a version that would not have attached it.
of_another_version() {
	mv "$(find "$HOLDFAST_DIR/bpf" -name 'abi*')" "$HOLDFAST_DIR/bpf/abi999"
}
test_run_that_lives_keeps_the_hook_through_another_version_without_it() {
	needs_hook
	keeps_the_hook of_another_version
	[ ! -e "$HOLDFAST_DIR/bpf/abi999" ] || fail 'its pins are still there'
}

test_many_at_once_are_told_apart() {
	needs_hook
	got=$(in_run many -- sh -c "for i in \$(seq 40); do psql -XqAt 'host=$E2E_PGSOCK port=$E2E_PGPORT user=agent dbname=shop' -c \"SELECT \$i\" & done; wait" | sort -n | xargs)
	assert_eq "$got" "$(seq 40 | xargs)"
}

# `nobody` may log in as nobody and as no one else: the server asks the kernel who its peer is.
as_nobody() { in_run "$1" -- psql -XqAt "host=$E2E_PGSOCK port=$E2E_PGPORT user=nobody dbname=shop" -c "SELECT current_user"; }
peer_is() { echo "unix_auth: $1" | with_unix && hf reload; }

test_server_sees_the_enforcer_unless_the_policy_says_whom() {
	needs_hook
	assert_exit 2 as_nobody default
	assert_has "$OUT" 'Peer authentication failed'
	peer_is user:nobody
	assert_eq "$(as_nobody named)" nobody
	# It is judged, and cancelled, all the same.
	assert_exit 1 unix_sql named 'DROP TABLE customers'
	assert_has "$OUT" 'no-destruction'
	bg sleeper unix_sql sleeper 'SELECT pg_sleep(50)'
	wait_until 10 server_saw 'pg_sleep(50)'
	signal_run sleeper INT
	finish "$BG" || true
	assert_has "$(out sleeper)" 'canceling statement'
	# The file's permissions are those of that account.
	chmod 700 "$SOCK"
	assert_exit 2 as_nobody shut
	chmod 777 "$SOCK"
	assert_has "$OUT" 'Permission denied'
	peer_is user:no-such-account
	assert_exit 2 as_nobody unknown
	# A run's own account has no name here; the server looked for it.
	peer_is agent
	assert_exit 2 as_nobody own
	assert_has "$OUT" 'Peer authentication failed'
	assert_has "$(cat "$E2E_PGLOG")" "could not look up local user ID"
	peer_is enforcer
}

test_attached_agents_are_seen_as_themselves_but_never_as_root() {
	needs_hook
	peer_is agent
	for account in 65534 0; do
		mkfifo "$T/go"
		chmod 666 "$T/go"
		setpriv --reuid=$account --regid=$account --clear-groups sh -c "read -r x < '$T/go'
			psql -XqAt 'host=$E2E_PGSOCK port=$E2E_PGPORT user=nobody dbname=shop' -c 'SELECT current_user'" > "$T/$account" 2>&1 &
		pid=$!
		hf attach --pid $pid --name "as-$account" > /dev/null
		echo > "$T/go"
		finish $pid || true
		rm "$T/go"
	done
	assert_eq "$(cat "$T/65534")" nobody
	assert_has "$(cat "$T/0")" 'Operation not permitted'
	peer_is enforcer
}

# Who connects for a run has the account that the policy says, and others who have it may send it signals.
test_nobody_stops_the_daemon_by_stopping_who_connects_for_it() {
	needs_hook
	peer_is user:nobody
	bg stopper setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -u -c "
import os, signal
children = open('/proc/$(daemon_pid)/task/$(daemon_pid)/children')
while True:
    children.seek(0)
    for pid in children.read().split():
        try:
            os.kill(int(pid), signal.SIGSTOP)
            print('stopped', pid, flush=True)
            raise SystemExit
        except (PermissionError, ProcessLookupError):
            pass"
	stopper=$BG
	bg agent in_run agent -- sh -c "while :; do psql -XqAt 'host=$E2E_PGSOCK port=$E2E_PGPORT user=nobody dbname=shop' -c 'SELECT 1'; done"
	agent=$BG
	wait_until 20 file_has "$T/stopper.out" stopped
	finish "$stopper"
	timeout 10 "$B/holdfast" kill "$(hf status --json | jq -r '.runs[] | select(.name == "agent").id')"
	finish "$agent" || true
	assert_eq "$(timeout 10 "$B/holdfast" run --quiet --name calm -- echo calm)" calm
	wait_until 5 gone "$(awk '{ print $2 }' "$T/stopper.out")"
	peer_is enforcer
}

run_tests
