#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Holds and decisions told elsewhere: a signed webhook and a program, by a process of its own that nobody
# waits for.
. "$(dirname "$0")/lib.sh"

policy_of_holds < /dev/null

HOOK=$(free_port)
# A server that says 500 to the first two, hangs where it is told to, and writes down what it takes.
cat > "$G/hook.py" <<'PY'
import hashlib, hmac, http.server, os, sys, time
port, folder = int(sys.argv[1]), sys.argv[2]
state = {"n": 0}
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state["n"] += 1
        if os.path.exists(folder + "/hang"):
            while os.path.exists(folder + "/hang"): time.sleep(0.05)  # condition helper
        bad = state["n"] <= 2 or os.path.exists(folder + "/refuse")
        stamp = self.headers["X-Holdfast-Timestamp"]
        mac = hmac.new(b"0123456789abcdef-secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        good = self.headers["X-Holdfast-Signature"] == "sha256=" + mac and abs(time.time() - int(stamp)) < 60
        if not bad:
            with open(folder + "/took", "ab") as f: f.write((b"good " if good else b"FORGED ") + body + b"\n")
        self.send_response(500 if state["n"] <= 2 else 403 if bad else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook).serve_forever()
PY
printf '0123456789abcdef-secret\n' > "$G/secret"
chmod 600 "$G/secret"
cat > "$G/tell" <<SH
#!/bin/sh
body=\$(cat)
printf '%s\n' "\$body" >> $G/told
id -u > $G/told-uid
SH
chmod 755 "$G/tell"
: > "$G/told"; : > "$G/told-uid"; chmod 666 "$G/told" "$G/told-uid"
config <<YAML
webhook: http://127.0.0.1:$HOOK/hook
webhook_secret: $G/secret
notify: $G/tell
herald_user: "$((HF_USER - 1))"
YAML
python3 "$G/hook.py" "$HOOK" "$G" &
HOOK_PID=$!
trap 'kill $HOOK_PID; clean_group' EXIT
start_daemon || exit 1

herald_pids() { pgrep -u "$((HF_USER - 1))"; }
took() { [ -f "$G/took" ] && grep -c -- "$1" "$G/took"; }

test_holds_decisions_and_ends_arrive_signed_after_failures() {
	bg psql sql hooked "DELETE FROM orders WHERE id = 1 /* a secret */"
	h=$(wait_hold hooked)
	approve "$h" 'told everywhere'
	finish "$BG"
	three() { [ "$(took "\"id\":\"$h\"")" = 3 ]; }
	wait_until 20 three
	assert_eq "$(took FORGED)" 0
	assert_has "$(cat "$G/took")" '"event":"hold"'
	assert_has "$(cat "$G/took")" '"decision":"approve","by":"root","reason":"told everywhere"'
	assert_has "$(cat "$G/took")" '"outcome":"approved"'
	assert_lacks "$(cat "$G/took")" 'a secret' 'a statement left the host unasked'
	told() { [ "$(grep -c "\"id\":\"$h\"" "$G/told")" = 3 ]; }
	wait_until 10 told
	assert_eq "$(cat "$G/told-uid")" "$((HF_USER - 1))"
}

test_a_server_that_hangs_keeps_nobody_waiting() {
	touch "$G/hang"
	for i in 2 3 4; do
		bg psql sql "hang$i" "DELETE FROM orders WHERE id = $i"
		h=$(wait_hold "hang$i")
		approve "$h"
		finish "$BG" 10
	done
	rm "$G/hang"
	all() { [ "$(took '"outcome":"approved"')" -ge 4 ]; }
	wait_until 30 all
}

test_what_is_refused_for_good_is_recorded() {
	touch "$G/refuse"
	bg psql sql refused "DELETE FROM orders WHERE id = 5"
	h=$(wait_hold refused)
	deny "$h"
	finish "$BG" || true
	refused() { [ "$(ledger "SELECT count(*) FROM events WHERE kind = 'webhook.failed' AND detail LIKE '%status 403%'")" -ge 3 ]; }
	wait_until 20 refused
	rm "$G/refuse"
}

test_a_herald_that_dies_or_stops_is_no_ones_problem() {
	# shellcheck disable=SC2046
	kill -STOP $(herald_pids)
	bg psql sql stopped "DELETE FROM orders WHERE id = 6"
	h=$(wait_hold stopped)
	approve "$h"
	finish "$BG"
	# shellcheck disable=SC2046
	kill -KILL $(herald_pids)
	bg psql sql killed "DELETE FROM orders WHERE id = 7"
	h=$(wait_hold killed)
	approve "$h"
	finish "$BG"
	lost() { [ "$(ledger "SELECT count(*) FROM events WHERE kind = 'webhook.failed' AND detail LIKE '%lost%'")" -ge 1 ]; }
	wait_until 20 lost
}

# The process that talks to the network: of a filter of its own, and blind to files.
teller_pid() { pgrep -P "$(process_of "$((HF_USER - 1))")"; }

test_who_talks_to_the_network_can_do_nothing_else() {
	stop_daemon
	start_daemon
	is_there() { [ -n "$(teller_pid)" ]; }
	wait_until 10 is_there
	pid=$(teller_pid)
	assert_eq "$(awk '/^(NoNewPrivs|Seccomp):/ { printf "%s ", $2 } /^Cap(Eff|Bnd|Prm):/ { printf "%s ", $2 }' "/proc/$pid/status")" \
		'0000000000000000 0000000000000000 0000000000000000 1 2 '
	assert_eq "$(awk '/^Uid:/ { print $2 $3 $4 }' "/proc/$pid/status")" "$((HF_USER - 1))$((HF_USER - 1))$((HF_USER - 1))"
	bg psql sql shut "DELETE FROM orders WHERE id = 8"
	h=$(wait_hold shut)
	approve "$h"
	finish "$BG"
	told_of() { [ "$(took "\"id\":\"$h\"")" = 3 ]; }
	wait_until 20 told_of
	assert_eq "$(pgrep -c -P "$pid")" 0
}

# https with a CA of our own: who cannot show a certificate of it is told nothing.
test_an_https_server_is_believed_by_its_certificate_alone() {
	for ca in good bad; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$ca CA" \
			-keyout "$G/$ca.key" -out "$G/$ca.pem" 2> /dev/null
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
			-keyout "$G/$ca-server.key" -out "$G/$ca.csr" 2> /dev/null
		openssl x509 -req -in "$G/$ca.csr" -CA "$G/$ca.pem" -CAkey "$G/$ca.key" -CAcreateserial -days 2 \
			-extfile <(echo 'subjectAltName=DNS:localhost') -out "$G/$ca-server.pem" 2> /dev/null
	done
	chmod 644 "$G/good.pem"
	TLS=$(free_port)
	mkdir -p "$G/tls"
	cat > "$G/tls.py" <<-'PY'
	import http.server, ssl, sys
	port, cert, key, out = int(sys.argv[1]), *sys.argv[2:5]
	class Hook(http.server.BaseHTTPRequestHandler):
	    def do_POST(self):
	        body = self.rfile.read(int(self.headers["Content-Length"]))
	        with open(out, "ab") as f: f.write(body + b"\n")
	        self.send_response(204)
	        self.end_headers()
	    def log_message(self, *a): pass
	server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hook)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert, key)
	server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
	server.serve_forever()
	PY
	stop_daemon
	config <<-YAML
	webhook: https://localhost:$TLS/hook
	webhook_secret: $G/secret
	webhook_ca: $G/good.pem
	herald_user: "$((HF_USER - 1))"
	YAML
	start_daemon
	for ca in good bad; do
		python3 "$G/tls.py" "$TLS" "$G/$ca-server.pem" "$G/$ca-server.key" "$G/tls/$ca" 2> "$G/tls/$ca.err" &
		server=$!
		listens() { (: < "/dev/tcp/127.0.0.1/$TLS") 2> /dev/null; }
		wait_until 10 listens
		bg psql sql "tls$ca" "DELETE FROM orders WHERE id = 9"
		h=$(wait_hold "tls$ca")
		if [ "$ca" = good ]; then
			arrived() { grep -q "\"id\":\"$h\"" "$G/tls/good"; }
			wait_until 20 arrived
		else
			wait_until 20 grep -qi 'unknown ca' "$G/tls/bad.err"
		fi
		approve "$h"
		finish "$BG"
		if [ "$ca" = good ]; then
			ended() { grep "\"id\":\"$h\"" "$G/tls/good" | grep -q '"outcome":"approved"'; }
			wait_until 20 ended
		fi
		kill "$server"
		wait_until 5 gone "$server"
	done
	[ ! -s "$G/tls/bad" ] || fail 'a server without a certificate of that CA was told'
}

run_tests
