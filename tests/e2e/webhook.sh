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

run_tests
