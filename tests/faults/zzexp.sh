. /work/main/tests/e2e/lib.sh
policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
YAML
start_daemon || exit 1
test_x() {
	bg cli in_run looper -- sh -c "exec >> $T/looper.out 2>&1; while :; do date +%T.%N; timeout 3 /usr/bin/python3 -c 'import socket
s=socket.create_connection((\"127.0.0.1\", $E2E_PGPORT)); s.sendall(b\"x\"); print(s.recv(10))' 2>&1 | tail -1; sleep 0.3; done"
	sleep 2
	kill_daemon
	date +%T.%N
	sleep 6
	ps aux | grep -c '[h]oldfastd'
	ss -tnap | grep $HF_PORT | head
	cat $T/looper.out
	start_daemon; sleep 3; cat $T/looper.out | tail -5
	false
}
run_tests
