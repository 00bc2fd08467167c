#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names: what a run asks any resolver is answered by ours, and only what it resolved has a name.
. "$(dirname "$0")/lib.sh"

DNS_PORT=$(free_port)
with_dns() { # further lines of dns: on stdin
	policy <<-YAML
	version: 1
	default: {read: allow, session: allow, other: hold}
	dns:
	  upstream: "127.0.0.1:$DNS_PORT"
	$(cat)
	resources:
	  - name: shop
	    at: ["shop.internal:$E2E_PGPORT", "alias.internal:$E2E_PGPORT"]
	    protocol: postgres
	    tags: [production-db]
	  - {name: loopback-is-meant, at: "127.0.0.1:1", protocol: opaque}
	  - {name: metadata, at: "metadata.internal:80", protocol: opaque}
	  - {name: house, at: "house.internal:80", protocol: opaque}
	  - {name: web, at: "203.0.113.0/24:443", protocol: opaque}
	YAML
}
usual() { with_dns <<< '  names: ["*.allowed.test", "missing.internal"]'; }
usual
/usr/bin/python3 "$(dirname "$0")/nameserver.py" "$DNS_PORT" > "$G/asked" 2>&1 &
DNS_PID=$!
trap 'kill $DNS_PID; clean_group' EXIT
wait_until 10 file_has "$G/asked" ready || exit 1
start_daemon || exit 1

resolve() { in_run "$1" -- getent ahostsv4 "$2" | awk '{print $1}' | sort -u | xargs; }
dig_in() { # NAME ARGUMENT…
	local name=$1
	shift
	in_run "$name" -- dig +tries=1 +timeout=8 "$@"
}
was_asked() { grep -qE "^asked [0-9]+ $1\$" "$G/asked"; }

test_client_connects_by_name_and_the_ledger_says_so() {
	got=$(in_run by-name -- psql -XqAt "host=shop.internal port=$E2E_PGPORT user=agent dbname=shop" -c 'SELECT 6 * 7')
	assert_eq "$got" 42
	wait_ledger "SELECT count(*) FROM sessions s JOIN runs r ON r.id = s.run WHERE r.name = 'by-name' AND s.target = 'shop.internal:$E2E_PGPORT (127.0.0.1:$E2E_PGPORT)' AND s.resource = 'shop'" 1
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'dns-resolved' AND detail LIKE 'name=shop.internal %127.0.0.1%'" 1
}

test_alias_is_followed() {
	got=$(in_run alias -- psql -XqAt "host=alias.internal port=$E2E_PGPORT user=agent dbname=shop" -c 'SELECT 43')
	assert_eq "$got" 43
	# The name that the run asked for is the one that counts.
	wait_ledger "SELECT count(*) FROM sessions WHERE target LIKE 'alias.internal:%'" 1
}

test_bare_address_has_no_name() {
	assert_exit 2 in_run bare -- psql -XqAt "host=127.0.0.1 port=$E2E_PGPORT user=agent dbname=shop" -c 'SELECT 1'
	# Also where another run, or this one for another name, has resolved it.
	assert_eq "$(resolve other-name rebind.allowed.test)" '127.0.0.1 203.0.113.6'
	assert_exit 2 in_run mixed -- sh -c "getent hosts rebind.allowed.test; exec psql -XqAt 'host=127.0.0.1 port=$E2E_PGPORT user=agent dbname=shop' -c 'SELECT 1'"
	wait_ledger "SELECT count(*) >= 2 FROM events WHERE kind = 'target-denied' AND detail LIKE '%127.0.0.1:$E2E_PGPORT %'" 1
}

test_name_that_the_policy_does_not_name_is_not_asked_for() {
	assert_eq "$(resolve stranger www.example.com)" ''
	if was_asked www.example.com; then fail 'it left the host'; fi
	assert_has "$(dig_in stranger www.example.com)" 'status: NXDOMAIN'
	assert_has "$(dig_in stranger www.example.com)" 'EDE: 15 (Blocked)'
	wait_ledger "SELECT count(*) > 0 FROM events e JOIN runs r ON r.id = e.run WHERE r.name = 'stranger' AND e.kind = 'dns-denied' AND e.detail LIKE 'name=www.example.com type=A %'" 1
}

test_any_resolver_answers_as_itself() {
	for at in 10.99.0.53 8.8.8.8 127.0.0.53; do
		got=$(dig_in any "@$at" a.allowed.test)
		assert_has "$got" '203.0.113.5'
		assert_has "$got" "SERVER: $at#53($at) (UDP)"
	done
	got=$(dig_in any +tcp @10.99.0.53 a.allowed.test)
	assert_has "$got" '203.0.113.5'
	assert_has "$got" 'SERVER: 10.99.0.53#53(10.99.0.53) (TCP)'
}

test_one_socket_asks_several_resolvers() {
	got=$(in_run several -- /usr/bin/python3 -c "
import socket, struct
q = lambda i: struct.pack('!HHHHHH', i, 256, 1, 0, 0, 0) + b'\1a\7allowed\4test\0\0\1\0\1'
for family, form in ((socket.AF_INET, '%s'), (socket.AF_INET6, '::ffff:%s')):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(8)
    for i in (1, 2, 3):
        s.sendto(q(i), (form % ('10.99.0.%d' % i), 53))
    for _ in (1, 2, 3):
        data, where = s.recvfrom(2000)
        assert where[0] == form % ('10.99.0.%d' % struct.unpack('!H', data[:2])), where
        assert where[1] == 53, where
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(8)
    s.connect((form % '10.99.0.9', 53))
    for i in (4, 5):
        s.send(q(i))
        data, where = s.recvfrom(2000)
        assert where[:2] == (form % '10.99.0.9', 53), where
    # Ancillary data: the kernel asks the hooks about a connected socket once more.
    level = (socket.IPPROTO_IP, socket.IP_TTL) if family == socket.AF_INET else (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
    s.sendmsg([q(8)], [(*level, struct.pack('i', 9))])
    data, where = s.recvfrom(2000)
    assert where[:2] == (form % '10.99.0.9', 53), where
    assert s.getpeername()[:2] == (form % '10.99.0.9', 53)
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(8)
s.connect(('2001:db8::53', 53))
s.send(q(6))
assert s.recvfrom(2000)[1][:2] == ('2001:db8::53', 53)
assert s.getpeername()[:2] == ('2001:db8::53', 53)
print('right')")
	assert_eq "$got" right
}

# A socket for IPv6 alone cannot be led to an address of IPv4.
test_sockets_of_ipv6_alone_ask_too() {
	got=$(in_run six -- /usr/bin/python3 -c "
import socket, struct
q = lambda i: struct.pack('!HHHHHH', i, 256, 1, 0, 0, 0) + b'\1a\7allowed\4test\0\0\1\0\1'
def fresh(only, kind=socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.settimeout(8)
    return s
def check(s, i, at):
    data, where = s.recvfrom(2000)
    assert where[:2] == (at, 53), where
    assert data[:2] == struct.pack('!H', i) and socket.inet_aton('203.0.113.5') in data, data
for only in (0, 1):
    s = fresh(only)
    for i, at in enumerate(('2001:db8::53', '::1', '2001:db8::54', '2001:db8::53')):
        s.sendto(q(i), (at, 53))
        check(s, i, at)
    s.sendmsg([q(9)], [], 0, ('fd00::53', 53))
    check(s, 9, 'fd00::53')
    for at in ('2001:db8::53', '::1'):
        s = fresh(only)
        s.connect((at, 53))
        for i in (4, 5):
            s.send(q(i))
            check(s, i, at)
        s.sendmsg([q(6)], [(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack('i', 9))])
        check(s, 6, at)
        assert s.getpeername()[:2] == (at, 53)
    s = fresh(only, socket.SOCK_STREAM)
    s.connect(('2001:db8::53', 53))
    s.sendall(struct.pack('!H', len(q(7))) + q(7))
    assert socket.inet_aton('203.0.113.5') in s.recv(2000)
both = fresh(0)
for i, at in enumerate(('::ffff:10.99.0.53', '2001:db8::53', '::ffff:10.99.0.54', '::1')):
    both.sendto(q(i), (at, 53))
    check(both, i, at)
print('right')")
	assert_eq "$got" right
	for at in ::1 2001:db8::53; do
		for how in +notcp +tcp; do
			got=$(dig_in six $how "@$at" a.allowed.test)
			assert_has "$got" '203.0.113.5'
			assert_has "$got" "SERVER: $at#53($at)"
		done
	done
	# Whose it was is told, two at a time.
	bg other dig_in six-b @2001:db8::53 six-b.example.com
	dig_in six-a @2001:db8::53 six-a.example.com > "$T/denied"
	finish "$BG" || true
	assert_has "$(cat "$T/denied")" 'status: NXDOMAIN'
	for run in six-a six-b; do
		wait_ledger "SELECT group_concat(DISTINCT r.name) FROM events e JOIN runs r ON r.id = e.run WHERE e.kind = 'dns-denied' AND e.detail LIKE 'name=$run.example.com %'" "$run"
	done
}

test_ipv6_to_other_ports_and_to_our_own_stays_shut() {
	got=$(in_run shut6 -- /usr/bin/python3 -c "
import socket
for port in (5353, 443, $HF_PORT):
    for at in ('2001:db8::53', '::1'):
        for connect in (False, True):
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.settimeout(0.2)
            try:
                if connect:
                    s.connect((at, port))
                    s.send(b'x')
                else:
                    s.sendto(b'x', (at, port))
                print('SENT', at, port)
            except OSError as e:
                print(e.strerror)" | sort -u)
	assert_eq "$got" 'Operation not permitted'
	got=$(setpriv --reuid=65534 --regid=65534 --clear-groups dig +tries=1 +timeout=1 -p "$HF_PORT" @::1 a.allowed.test 2>&1 || true)
	assert_has "$got" 'timed out'
}

test_other_udp_and_other_ports_stay_shut() {
	assert_has "$(dig_in shut -p 5353 @10.99.0.53 a.allowed.test 2>&1 || true)" 'permission denied'
	# DNS over TLS is a target like any other, and none that is named.
	assert_eq "$(in_run shut -- /usr/bin/python3 -c "
import socket
try:
    socket.create_connection(('10.99.0.53', 853), timeout=5)
except OSError as e:
    print(e.strerror)")" 'Permission denied'
}

test_answers_into_the_house_are_taken_out() {
	assert_eq "$(resolve inside rebind.allowed.test)" '127.0.0.1 203.0.113.6' # loopback is named by an entry
	assert_eq "$(resolve inside inside.allowed.test)" ''
	assert_eq "$(resolve inside metadata.internal)" ''
	assert_eq "$(resolve inside house.internal)" 10.1.2.3 # written out in the policy
	wait_ledger "SELECT count(*) > 0 FROM events WHERE kind = 'dns-denied' AND detail LIKE 'name=metadata.internal %addresses%'" 1
}

test_records_of_other_names_are_left_out() {
	assert_eq "$(resolve smuggled smuggled.allowed.test)" 203.0.113.7
}

test_only_ordinary_types_pass() {
	assert_has "$(dig_in types a.allowed.test TXT)" '"hello"'
	for type in ANY NULL TYPE999 AXFR; do
		got=$(dig_in types +nocookie a.allowed.test $type 2>&1 || true)
		case $got in
		*REFUSED* | *'Transfer failed'*) ;;
		*) fail "$type: $got" ;;
		esac
	done
	assert_has "$(dig_in types +opcode=NOTIFY a.allowed.test || true)" REFUSED
}

test_service_records_lose_what_leads_around_us() {
	got=$(dig_in https a.allowed.test HTTPS)
	assert_has "$got" 'alpn="h2"'
	for lost in h3 ech ipv4hint ipv6hint 127.0.0.1/ secret; do
		assert_lacks "$(grep -v '^;' <<< "$got")" $lost
	done
}

test_long_answers_come_over_tcp() {
	assert_eq "$(dig_in long +short many.allowed.test | wc -l)" 32 # what one answer may have
	assert_has "$(dig_in long +ignore +bufsize=512 many.allowed.test)" ' tc '
}

test_tunnel_is_cut() {
	got=$(in_run tunnel -- /usr/bin/python3 -c "
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(8)
s.connect(('10.99.0.53', 53))
def ask(label):
    s.send(struct.pack('!HHHHHH', 7, 256, 1, 0, 0, 0) + bytes([len(label)]) + label.encode() + b'\7allowed\4test\0\0\1\0\1')
    return s.recv(2000)[3] & 15
print(ask('mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz'), sum(ask('word%d' % i) == 5 for i in range(300)))")
	assert_eq "${got% *}" 5 'encoded data'
	[ "${got#* }" -ge 90 ] || fail "only ${got#* } of 300 were refused"
	if was_asked 'mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz.allowed.test'; then fail 'it left the host'; fi
	assert_eq "$(resolve fresh a.allowed.test)" 203.0.113.5 'another run is not held to it'
}

test_garbage_is_survived() {
	enforcer=$(enforcer_pid)
	in_run garbage -- /usr/bin/python3 -c "
import random, socket, struct
r = random.Random(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3000):
    u.sendto(r.randbytes(r.randrange(12, 200)), ('10.99.0.53', 53))
    u.sendto(struct.pack('!HHHHHH', 1, 256, 1, 0, 0, r.randrange(2)) + r.randbytes(r.randrange(80)), ('10.99.0.53', 53))
for _ in range(100):
    t = socket.create_connection(('10.99.0.53', 53))
    try:
        t.sendall(r.randbytes(300))
        t.close()
    except OSError:
        pass"
	assert_eq "$(enforcer_pid)" "$enforcer"
	assert_eq "$(resolve after a.allowed.test)" 203.0.113.5
}

test_host_process_may_not_ask_our_port() {
	got=$(dig +tries=1 +timeout=1 -p "$HF_PORT" @127.64.1.2 a.allowed.test 2>&1 || true)
	assert_has "$got" 'timed out'
}

# Which address stands for a run anybody can work out (bpf/lib.bpf.h:token_of). It takes more than that.
test_host_process_may_not_ask_in_the_name_of_a_run() {
	bg victim in_run victim -- sh -c 'dig +tries=1 +timeout=8 @10.99.0.53 a.allowed.test; echo asked; exec tail -f /dev/null'
	wait_until 15 file_has "$T/victim.out" asked
	file_has "$T/victim.out" 203.0.113.5
	id=$(hf status --json | jq -r '.runs[] | select(.name == "victim").id')
	group=$(stat -c %i "$(find /sys/fs/cgroup -path "*/$HF_CGROUP/runs/$id" -type d | head -n 1)")
	cat > "$T/spoof.py" <<-'PY'
	import socket, struct, sys
	group, port, word = int(sys.argv[1]), int(sys.argv[2]), 0xffffffff
	swap = lambda x: struct.unpack('<I', struct.pack('>I', x))[0]
	def token(a, p):
	    h = a[0] ^ (a[1] * 0x9e3779b1 & word) ^ (a[2] * 0x85ebca77 & word)
	    h = (h ^ a[3]) * 0xcc9e2d51 & word
	    h = (h ^ (h >> 15) ^ p) * 0x85ebca6b & word
	    h = (h ^ (h >> 13)) * 0xc2b2ae35 & word
	    return 0x7f400000 | ((h ^ (h >> 16)) & 0x3fffff)
	resolver = struct.unpack('<I', socket.inet_aton('10.99.0.53'))[0]
	at = token([group & word, group >> 32, swap(0xffff), resolver], socket.htons(53))
	name = b''.join(bytes([len(l)]) + l for l in b'spoofed.allowed.test'.split(b'.')) + b'\0'
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(1)
	s.sendto(struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + name + struct.pack('>HH', 1, 1), (socket.inet_ntoa(struct.pack('>I', at)), port))
	try:
	    print('ANSWERED', s.recv(512))
	except OSError:
	    print('nothing')
	PY
	assert_eq "$(setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 "$T/spoof.py" "$group" "$HF_PORT")" nothing
	wait_ledger "SELECT count(*) FROM events WHERE kind LIKE 'dns%' AND detail LIKE '%spoofed%'" 0
	hf kill "$id"
}

test_reload_takes_names_away() {
	with_dns <<< '  names: ["nothing.test"]'
	hf reload
	assert_eq "$(resolve reload a.allowed.test)" ''
	usual
	hf reload
	assert_eq "$(resolve reload a.allowed.test)" 203.0.113.5
}

run_tests
