#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What leaves the ledger: pages, opened in a real browser, and streams for shippers.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, other: hold}
$(standard_resources)
masks:
  - name: mails
    columns: ["customers.email"]
    as: partial
YAML
start_daemon || exit 1

# dom FILE: the page as the browser understood it. Its own profile, no sandbox (we are root), no network use.
dom() {
	timeout 100 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$T/profile" \
		"${@:2}" --dump-dom "file://$1" 2> "$T/chromium.log"
}
# What a page's script would do, written as an agent would: as a comment in a statement, and as a name.
hostile="SELECT 1 /* </pre><script>document.title='owned'</script><img src=x onerror=document.title='owned'> evil1 */"

# One run of each kind of thing: a hostile statement, masked rows, a hold that was approved, one denied.
test_a_run_is_told() {
	in_run page -- sh -c "psql -XqAt '$SHOP' -c \"\$1\"; psql -XqAt '$SHOP' -c 'SELECT email FROM customers'" sh "$hostile" > /dev/null
	bg held sql page 'DELETE FROM orders WHERE id = 55 /* evil2 */'
	hf approve "$(wait_hold page)" -m 'agreed <b>in</b> ticket 9' > /dev/null
	finish "$BG"
	bg held sql page 'DELETE FROM orders WHERE id = 56 /* evil3 */' || true
	deny "$(wait_hold page)" 'no way' > /dev/null
	finish "$BG" || true
	wait_ledger "SELECT count(*) FROM holds WHERE outcome IN ('approved', 'denied')" 2
	wait_ledger "SELECT n_affected FROM requests WHERE text LIKE '%evil2%'" 1
	assert_has "$(ledger "SELECT masked FROM requests WHERE text LIKE 'SELECT email%'")" columns=4
}

test_a_session_is_a_page_that_a_browser_shows_and_that_runs_nothing() {
	session=$(ledger "SELECT session FROM requests WHERE text LIKE '%evil1%'")
	assert_exit 0 hf replay "$session" --html "$T/session.html"
	if grep -q '<script>\|<img' "$T/session.html"; then fail 'markup of the agent is markup in the page'; fi
	dom "$T/session.html" > "$T/dom"
	assert_has "$(cat "$T/dom")" 'holdfast: session'
	assert_has "$(cat "$T/dom")" '&lt;script&gt;' 'the statement is text'
	assert_lacks "$(cat "$T/dom")" '<title>owned'
	# Were a tag to slip through, the page's own policy would still stop its script.
	sed "s|</body>|<script>document.title='owned'</script></body>|" "$T/session.html" > "$T/slip.html"
	dom "$T/slip.html" > "$T/slip"
	assert_lacks "$(cat "$T/slip")" '<title>owned'
	sed -e "s|</body>|<script>document.title='owned'</script></body>|" -e 's|<meta http-equiv[^>]*>||' "$T/session.html" > "$T/bare.html"
	dom "$T/bare.html" > "$T/bare"
	assert_has "$(cat "$T/bare")" '<title>owned' 'the test itself sees scripts run'
}

test_a_run_is_a_report_to_print() {
	for id in $(ledger "SELECT id FROM runs WHERE name = 'page' ORDER BY id"); do
		assert_exit 0 hf report "$id" --html "$T/run$id.html"
	done
	assert_exit 0 hf report page --html "$T/newest.html"
	assert_exit 5 hf report nobody --html "$T/x.html"
	[ ! -e "$T/x.html" ]
	cat "$T"/run*.html > "$T/all"
	assert_has "$(cat "$T/all")" 'DELETE FROM orders WHERE id = 55'
	assert_has "$(cat "$T/all")" 'agreed &lt;b&gt;in&lt;/b&gt; ticket 9'
	assert_has "$(cat "$T/all")" 'columns=4'
	id=$(ledger "SELECT run FROM requests WHERE text LIKE '%evil2%'")
	timeout 100 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$T/profile" \
		--print-to-pdf="$T/run.pdf" "file://$T/run$id.html" 2> /dev/null
	assert_eq "$(head -c 4 "$T/run.pdf")" '%PDF'
}

test_replay_begins_where_it_is_told() {
	session=$(ledger "SELECT session FROM requests WHERE text LIKE '%evil2%'")
	assert_has "$(hf replay "$session")" evil2
	assert_lacks "$(hf replay "$session" --at 1h)" evil2
	assert_exit 2 hf replay "$session" --at soon
}

test_the_ledger_is_exported_as_lines_once_each() {
	hf audit export > "$T/first"
	jq -es 'map(.entry) | . == sort and length == (unique | length)' "$T/first" > /dev/null
	assert_eq "$(jq -s 'map(select(.type == "decision")) | length' "$T/first")" 2
	assert_eq "$(jq -s 'map(select(.type == "request")) | length' "$T/first")" "$(ledger 'SELECT count(*) FROM requests')"
	last=$(tail -n 1 "$T/first" | jq .entry)
	bg follow hf audit export --follow --after "$last" --type request,reply
	sql page 'SELECT 7 /* evil7 */' > /dev/null
	wait_until 15 sh -c "grep -c evil7 '$T/follow.out'"
	kill "$BG"
	assert_eq "$(jq -s "map(select(.entry <= $last)) | length" "$T/follow.out")" 0
	assert_exit 2 hf audit export --type decisoin
	assert_has "$OUT" "did you mean 'decision'"
}

metric() { hf metrics | sed -n "s/^holdfast_$1 //p"; }
test_metrics_count_what_happened_and_are_served() {
	before=$(metric 'requests_total{ruling="allow"}')
	sql page 'SELECT 8 /* evil8 */' > /dev/null
	more() { [ "$(metric 'requests_total{ruling="allow"}')" -gt "$before" ]; }
	wait_until 10 more
	hf metrics > "$T/text"
	# Every line is a comment or a sample, and each histogram's last bucket is its count.
	if grep -vE '^(# (HELP|TYPE) holdfast_[a-z_]+ .*|holdfast_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$' "$T/text"; then
		fail 'a line that Prometheus cannot read'
	fi
	assert_eq "$(metric 'reply_seconds_bucket{le="+Inf"}')" "$(metric reply_seconds_count)"
	assert_eq "$(metric 'holds_ended_total{outcome="approved"}')" 1
	assert_eq "$(metric 'hold_seconds_count')" 2
	assert_eq "$(metric masked_values_total)" 4
	assert_eq "$(metric ledger_writable)" 1
	hf metrics --listen "unix:$T/metrics.sock" &
	server=$!
	served() { curl -sf --unix-socket "$T/metrics.sock" http://localhost/metrics | grep -q '^holdfast_up_seconds '; }
	wait_until 10 served
	kill "$server"
	wait_until 10 gone "$server"
	# The socket that it left is no obstacle, and what is no socket is not touched.
	assert_eq "$(stat -c %F "$T/metrics.sock")" socket
	hf metrics --listen "unix:$T/metrics.sock" &
	server=$!
	wait_until 10 served
	kill "$server"
	echo mine > "$T/notes"
	assert_exit 2 hf metrics --listen "unix:$T/notes"
	assert_eq "$(cat "$T/notes")" mine
	assert_exit 2 hf metrics --listen 0.0.0.0:9464
}

run_tests
