#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Control of what runs already. There is no systemd and no container engine here: units and containers
# are control groups with the names that those give them, which is all that holdfast looks at.
. "$(dirname "$0")/../e2e/lib.sh"

ROOT=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
FAKE=$ROOT/holdfast-fake-$$
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
config <<YAML
attach: "unit:boot-$$.service"
YAML
mkdir -p "$FAKE"
clean_fake() {
	local g
	for g in "$FAKE" "$FAKE"/*/; do [ ! -e "$g/cgroup.kill" ] || echo 1 > "$g/cgroup.kill"; done
	wait_until 5 sh -c "find '$FAKE' -depth -type d -exec rmdir {} + 2> /dev/null; [ ! -e '$FAKE' ]"
}
trap 'clean_fake; clean_group' EXIT
start_daemon || exit 1

# An agent outside of every run: for each line of its fifo it asks the shop something, on a new
# connection; "old" goes over one that it has had from the beginning. usage: outsider NAME GROUP
outsider() {
	mkfifo "$T/$1.in"
	chmod 666 "$T/$1.in"
	chmod 777 "$T"
	mkdir -p "$2"
	(
		echo 0 > "$2/cgroup.procs"
		exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -u - "$T/$1.in" "$E2E_PGPORT" <<-'PY'
		import socket, struct, sys
		def ask(s, text):
		    s.sendall(b"Q" + struct.pack("!i", len(text) + 5) + text + b"\0")
		    got = b""
		    while b"Z\0\0\0\5" not in got:
		        more = s.recv(65536)
		        if not more:
		            raise OSError("closed")
		        got += more
		    return got
		def connect():
		    s = socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=20)
		    body = struct.pack("!i", 196608) + b"user\0agent\0database\0shop\0\0"
		    s.sendall(struct.pack("!i", len(body) + 4) + body)
		    got = b""
		    while b"Z\0\0\0\5" not in got:
		        more = s.recv(65536)
		        if not more:
		            raise OSError("closed")
		        got += more
		    return s
		old = None
		while not old: # one that `attach:` names may be cut while it begins
		    try:
		        old = connect()
		    except OSError:
		        pass
		print("up", flush=True)
		while True:
		    with open(sys.argv[1], encoding="utf8") as f:
		        for line in f:
		            word, text = line.strip().split(" ", 1)
		            try:
		                ask(old if word == "old" else connect(), text.encode())
		                print("done", text, flush=True)
		            except OSError as e:
		                print("failed", text, e, flush=True)
		PY
	) > "$T/$1.out" 2>&1 &
	OUTSIDER=$!
	wait_until 15 file_has "$T/$1.out" up
}
tell() { echo "$2" > "$T/$1.in"; }
run_of() { hf status --json | jq -r --arg n "$1" '.. | objects | select(.name? == $n) | .id' | head -n 1; }
judged() { wait_ledger "SELECT count(*) FROM requests r JOIN sessions s ON s.id = r.session WHERE s.run = $1 AND r.text LIKE '%$2%'" "$3"; }
group_of() { cut -d: -f3 "/proc/$1/cgroup" | tail -n 1; }

test_process_tree_is_controlled_from_then_on_and_let_go() {
	outsider tree "$FAKE/tree"
	tell tree "new SELECT 1 /* before */"
	wait_until 10 file_has "$T/tree.out" 'done SELECT 1 /* before */'
	hf attach --pid "$OUTSIDER" --name tree > "$T/said"
	cat "$T/said"
	id=$(run_of tree)
	assert_has "$(cat "$T/said")" "run $id (tree): 1 processes are controlled"
	assert_has "$(cat "$T/said")" "made before, NOT judged: tcp to 127.0.0.1:$E2E_PGPORT"
	tell tree "new SELECT 1 /* after */"
	wait_until 10 file_has "$T/tree.out" 'done SELECT 1 /* after */'
	judged "$id" after 1
	# It said so: the old connection is nobody's to judge.
	tell tree "old SELECT 1 /* old-one */"
	wait_until 10 file_has "$T/tree.out" 'done SELECT 1 /* old-one */'
	judged "$id" old-one 0
	assert_has "$(ledger "SELECT degraded FROM runs WHERE id = $id")" attached
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'attached' AND run = $id" 1

	hf release "$id"
	assert_eq "$(group_of "$OUTSIDER")" "${FAKE#"$ROOT"}/tree"
	wait_until 10 sh -c "[ -z \"\$('$B/holdfast' status --json | jq -r '.. | objects | select(.name? == \"tree\") | .id')\" ]"
	tell tree "new SELECT 1 /* free */"
	wait_until 10 file_has "$T/tree.out" 'done SELECT 1 /* free */'
	judged "$id" free 0
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'released' AND run = $id" 1
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'moved-out'" 0
	assert_lacks "$(hf status)" TAMPERED
	kill "$OUTSIDER"
}

test_cut_ends_what_it_had_before() {
	outsider cut "$FAKE/cut"
	hf attach --cgroup "${FAKE#"$ROOT"}/cut" --cut --name cut > "$T/said"
	assert_has "$(cat "$T/said")" "made before, cut: tcp to 127.0.0.1:$E2E_PGPORT"
	tell cut "old SELECT 1 /* cut-one */"
	wait_until 10 file_has "$T/cut.out" 'failed SELECT 1 /* cut-one */'
	if server_saw '/* cut-one */'; then fail 'it went over the old connection'; fi
	tell cut "new DROP TABLE orders /* cut-drop */"
	wait_until 10 has_hold cut
	deny "$(holds_of cut)"
	if server_saw '/* cut-drop */'; then fail 'the server saw it'; fi
	# An attached process decides nothing, whoever it is.
	hf kill "$(run_of cut)"
	wait_until 10 gone "$OUTSIDER"
}

test_unit_and_container_by_their_names() {
	for kind in unit container; do
		case $kind in
		unit) folder=web-$$.service name=web-$$ ;;
		container) name=4f1c$(printf %08x $$) folder=docker-${name}0a9be3d27788.scope ;;
		esac
		outsider "$kind" "$FAKE/$folder"
		hf attach "--$kind" "$name" --name "$kind" --json > "$T/said"
		assert_eq "$(jq -r .processes "$T/said")" 1
		id=$(run_of "$kind")
		tell "$kind" "new SELECT 1 /* $kind */"
		wait_until 10 file_has "$T/$kind.out" "done SELECT 1 /* $kind */"
		judged "$id" "/* $kind */" 1
		hf release "$id"
		kill "$OUTSIDER"
	done
	assert_exit 1 hf attach --unit no-such-unit
	assert_has "$OUT" 'there is no such'
	mkdir -p "$FAKE/a" "$FAKE/a/twice-$$.service" "$FAKE/twice-$$.service"
	assert_exit 1 hf attach --unit "twice-$$"
	assert_has "$OUT" 'more than one'
	rmdir "$FAKE/a/twice-$$.service"
}

test_unit_of_the_configuration_is_controlled_and_again_after_its_restart() {
	for life in first second; do
		outsider "$life" "$FAKE/boot-$$.service"
		wait_until 10 sh -c "grep -q '/$HF_CGROUP/runs/' /proc/$OUTSIDER/cgroup"
		id=$(run_of "boot-$$.service")
		tell "$life" "new SELECT 1 /* boot-$life */"
		wait_until 10 file_has "$T/$life.out" "done SELECT 1 /* boot-$life */"
		judged "$id" "boot-$life" 1
		# Made before it was taken in, or after: cut, or judged.
		tell "$life" "old SELECT 1 /* boot-old-$life */"
		wait_until 10 file_has "$T/$life.out" "boot-old-$life"
		file_has "$T/$life.out" "failed SELECT 1 /* boot-old-$life */" || judged "$id" "boot-old-$life" 1
		[ "$life" = first ] && assert_exit 1 hf release "$id"
		kill "$OUTSIDER"
		wait_until 10 gone "$OUTSIDER"
	done
}

# Who may make a control group, a user below his own, can name it like the unit: that must not switch
# the control of the unit off.
test_group_of_the_same_name_does_not_free_the_unit() {
	mkdir -p "$FAKE/a-user.slice/boot-$$.service"
	outsider named "$FAKE/boot-$$.service"
	wait_until 10 sh -c "grep -q '/$HF_CGROUP/runs/' /proc/$OUTSIDER/cgroup"
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'attach-ambiguous' AND detail LIKE '2 control groups are called boot-$$.service%'" 1
	# And who is in the other one is controlled as well.
	unit=$OUTSIDER
	outsider decoy "$FAKE/a-user.slice/boot-$$.service"
	wait_until 10 sh -c "grep -q '/$HF_CGROUP/runs/' /proc/$OUTSIDER/cgroup"
	kill "$unit" "$OUTSIDER"
	wait_until 10 gone "$unit"
	wait_until 10 gone "$OUTSIDER"
	rmdir "$FAKE/a-user.slice/boot-$$.service" "$FAKE/a-user.slice"
}

test_attached_run_survives_the_daemon() {
	outsider lasting "$FAKE/lasting"
	hf attach --pid "$OUTSIDER" --cut --name lasting > /dev/null
	kill_daemon
	tell lasting "new SELECT 1 /* while-away */"
	wait_until 25 file_has "$T/lasting.out" 'failed SELECT 1 /* while-away */'
	start_daemon
	id=$(run_of lasting)
	tell lasting "new SELECT 1 /* back */"
	wait_until 15 file_has "$T/lasting.out" 'done SELECT 1 /* back */'
	judged "$id" '/* back */' 1
	hf release "$id"
	assert_eq "$(group_of "$OUTSIDER")" "${FAKE#"$ROOT"}/lasting"
	kill "$OUTSIDER"
}

# Children and grandchildren are born all the time, before, while and after they are moved.
test_tree_that_forks_while_it_is_attached_is_in_whole() {
	mkdir -p "$FAKE/forks"
	(
		echo 0 > "$FAKE/forks/cgroup.procs"
		exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -c '
import os, select
print("up", flush=True)
while True:
    if os.fork() == 0:
        os.fork()
        select.select([], [], [], 0.2)
        os._exit(0)
    select.select([], [], [], 0.004)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
' "forks-$$"
	) > "$T/forks.out" 2>&1 &
	wait_until 15 file_has "$T/forks.out" up
	hf attach --pid $! --name forks > /dev/null
	id=$(run_of forks)
	for _ in $(seq 10); do
		assert_eq "$(cat "$FAKE/forks/cgroup.procs")" ''
		pgrep -f "forks-$$\$" | sed 's|.*|/proc/&/cgroup|' | xargs -r grep -hs '^0::' | grep -v "/runs/$id\$" > "$T/outside" || true
		assert_eq "$(cat "$T/outside")" ''
	done
	hf kill "$id"
}

# Each of them waits for the first one to be moved, forks then, and ends: its child has another parent
# at once, and nothing says any more that it is of the tree.
test_tree_that_detaches_itself_when_it_is_attached_is_in_whole() {
	mkdir -p "$FAKE/detaches"
	cat > "$T/bomb.py" <<-'PY'
	import os, select, sys
	def detach(first):
	    while "/runs/" not in open("/proc/%d/cgroup" % first, encoding="utf8").read():
	        select.select([], [], [], 0.0003)
	    for _ in range(3):
	        if os.fork() == 0:
	            select.select([], [], [], 60)
	            os._exit(0)
	    os._exit(0)
	first = os.getpid()
	for _ in range(12):
	    if os.fork() == 0:
	        if os.fork():
	            select.select([], [], [], 60)
	        detach(first)
	print("up", flush=True)
	select.select([], [], [], 60)
	PY
	# Somebody else's, in the same group: neither moved nor left frozen.
	(
		echo 0 > "$FAKE/detaches/cgroup.procs"
		exec /usr/bin/python3 -u -c "
import select
while True:
    print('alive', flush=True)
    select.select([], [], [], 0.01)"
	) > "$T/beside.out" 2>&1 &
	beside=$!
	for i in 1 2 3 4 5; do
		rm -f "$T/bomb.out" # the last one's is up, too
		(
			echo 0 > "$FAKE/detaches/cgroup.procs"
			exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$T/bomb.py" "bomb-$$"
		) > "$T/bomb.out" 2>&1 &
		wait_until 15 file_has "$T/bomb.out" up
		hf attach --pid $! --name "bomb-$i" --json > "$T/said"
		assert_eq "$(jq -r .loose "$T/said")" false
		id=$(run_of "bomb-$i")
		# All that will be is there: the first one, its twelve children, three of each of theirs.
		wait_until 15 sh -c "[ \"\$(pgrep -fc 'bomb-$$\$')\" -ge 49 ]"
		assert_eq "$(cat "$FAKE/detaches/cgroup.procs")" "$beside"
		pgrep -f "bomb-$$\$" | sed 's|.*|/proc/&/cgroup|' | xargs -r grep -hs '^0::' | grep -v "/runs/$id\$" > "$T/outside" || true
		assert_eq "$(cat "$T/outside")" ''
		hf kill "$id"
	done
	n=$(wc -l < "$T/beside.out")
	goes_on() { [ "$(wc -l < "$T/beside.out")" -gt "$n" ]; }
	wait_until 5 goes_on
	kill "$beside"
	# In the root group nobody can be frozen: that is told.
	(
		echo 0 > "$ROOT/cgroup.procs"
		exec tail -f /dev/null
	) &
	wait_until 5 sh -c "grep -qx '0::/' /proc/$!/cgroup"
	hf attach --pid $! --name rooted > "$T/said"
	assert_has "$(cat "$T/said")" 'NOT frozen meanwhile'
	hf kill "$(run_of rooted)"
}

test_what_dies_or_goes_while_it_is_attached() {
	# Ended, but not waited for.
	bg parent /usr/bin/python3 -c 'import os, signal; pid = os.fork(); pid or os._exit(0); print(pid, flush=True); signal.pause()'
	wait_until 10 test -s "$T/parent.out"
	wait_until 10 sh -c "grep -q '^State:.Z' /proc/$(cat "$T/parent.out")/status"
	hf attach --pid "$(cat "$T/parent.out")" --name dead > /dev/null 2>&1 || true
	wait_until 10 sh -c "[ -z \"\$('$B/holdfast' status --json | jq -r '.. | objects | select(.name? == \"dead\") | .id')\" ]"
	kill "$BG"
	# Where it came from is gone: it stays, and can still be ended.
	outsider stays "$FAKE/stays"
	hf attach --pid "$OUTSIDER" --name stays > /dev/null
	rmdir "$FAKE/stays"
	assert_exit 1 hf release "$(run_of stays)"
	assert_has "$OUT" 'is gone'
	hf kill "$(run_of stays)"
	wait_until 10 gone "$OUTSIDER"
	is_up
}

# Hooks are on our own group alone: beside and above what is attached nobody runs a program of ours.
test_processes_that_nobody_attached_pass_no_hook() {
	outsider inside "$FAKE/inside"
	outsider beside "$FAKE/beside"
	hf attach --pid "$(cat "$FAKE/inside/cgroup.procs")" --name inside > /dev/null
	counts() { hf status --json | jq -c .counts; }
	before=$(counts)
	for i in 1 2 3; do
		tell beside "new SELECT $i /* beside-$i */"
		wait_until 10 file_has "$T/beside.out" "done SELECT $i /* beside-$i */"
	done
	assert_eq "$(counts)" "$before"
	tell inside "new SELECT 1 /* inside */"
	wait_until 10 file_has "$T/inside.out" 'done SELECT 1 /* inside */'
	[ "$(counts)" != "$before" ] || fail 'the counters see nothing: they prove nothing'
	hf kill "$(run_of inside)"
	kill "$OUTSIDER"
}

# Root outside can do so, and an attached process with capabilities.
test_process_that_is_moved_out_of_its_run_is_told_loudly() {
	bg both in_run both -- sh -c 'echo up; tail -f /dev/null & tail -f /dev/null'
	wait_until 10 file_has "$T/both.out" up
	id=$(run_of both)
	group=$ROOT/$HF_CGROUP/runs/$id
	moved=$(xargs -n 1 sh -c 'grep -qx sh "/proc/$0/comm" && echo $0' < "$group/cgroup.procs" | head -n 1)
	mkdir -p "$FAKE/elsewhere"
	echo "$moved" > "$FAKE/elsewhere/cgroup.procs"
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'moved-out' AND run = $id AND detail LIKE 'pid $moved (sh) %/elsewhere'" 1
	assert_has "$(hf status)" 'TAMPERED'
	assert_eq "$(hf status --json | jq .alarms.moved_out)" 1
	chown 65534 "$group/cgroup.procs"
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'tampered' AND run = $id AND detail LIKE '%cgroup.procs%65534%'" 1
	hf kill "$id"
	finish "$BG" || true
	# The last one of a run: its group is empty then, and the run over.
	outsider last "$FAKE/last"
	hf attach --pid "$OUTSIDER" --name last > /dev/null
	id=$(run_of last)
	echo "$OUTSIDER" > "$FAKE/elsewhere/cgroup.procs"
	wait_ledger "SELECT count(*) FROM events WHERE kind = 'moved-out' AND run = $id" 1
	kill "$OUTSIDER"
}

test_what_must_not_be_attached_is_not() {
	assert_exit 1 hf attach --pid 1
	assert_exit 1 hf attach --pid "$(daemon_pid)"
	assert_exit 1 hf attach --cgroup /
	assert_exit 1 hf attach --cgroup "/$HF_CGROUP/daemon"
	assert_exit 1 hf attach --cgroup /no/such
	assert_exit 1 hf attach --cgroup "/$HF_CGROUP/../.."
	assert_exit 2 hf attach
	assert_exit 2 hf attach --pid 1 --unit x
	bg mine in_run mine -- sh -c 'echo up; exec tail -f /dev/null'
	wait_until 10 file_has "$T/mine.out" up
	id=$(run_of mine)
	assert_exit 1 hf release "$id"
	assert_exit 1 hf attach --cgroup "/$HF_CGROUP/runs/$id"
	assert_exit 4 setpriv --reuid=65534 --regid=65534 --clear-groups "$B/holdfast" attach --pid $$
	hf kill "$id"
	finish "$BG" || true
	is_up
}

# Who is it is asked with each question, not only when a connection begins: this one began outside.
test_connections_to_the_daemon_from_before_answer_nothing_any_more() {
	mkdir -p "$FAKE/before"
	(
		echo 0 > "$FAKE/before/cgroup.procs"
		exec /usr/bin/python3 -u - "$HOLDFAST_DIR" "$T/attached" <<-'PY'
		import os, socket, struct, sys, time
		def to(name):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect(sys.argv[1] + "/" + name)
		    s.settimeout(20)
		    return s
		status, watch, run = to("ctl.sock"), to("ctl.sock"), to("run.sock")
		status.send(struct.pack("!HH", 3, 100))
		print("status", b"policy" in status.recv(65536), flush=True)
		while not os.path.exists(sys.argv[2]):
		    time.sleep(0.02)  # condition helper
		status.send(struct.pack("!HH", 3, 100))
		run.send(struct.pack("!HHQ", 3, 402, 1))
		while True:
		    said = status.recv(65536)
		    if b"control socket is not for" in said or not said:
		        break
		print("control:", said, flush=True)
		print("run:", run.recv(65536), flush=True)
		PY
	) > "$T/before.out" 2>&1 &
	wait_until 15 file_has "$T/before.out" 'status True'
	assert_exit 0 hf attach --pid "$!"
	: > "$T/attached"
	wait_until 15 file_has "$T/before.out" 'control socket is not for processes of a run'
	wait_until 15 file_has "$T/before.out" 'a run may not ask for runs'
}

run_tests
