# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What lives in one temporary folder and leaves nothing behind: a PostgreSQL on a port of its own with
# a small shop in it, and a holdfastd with a cgroup of its own. Used by the tests, the benchmark and
# the demo; the caller sets E2E_PGSOCK, and pg_start sets E2E_PGPORT.

PGBIN=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2> /dev/null | sort -V | tail -n 1)
PG_OPTIONS=${PG_OPTIONS:-}
# Suites that run at the same time on one machine say TEST_SLOT=0…7 each: their ports and uids differ.
TEST_SLOT=${TEST_SLOT:-0}
HF_USER=$((63991 - 1000 * TEST_SLOT)) HF_SCRIBE=$((63992 - 1000 * TEST_SLOT)) HF_RUN_UID=$((64000 - 1000 * TEST_SLOT))
some_port() { echo $((21000 + 1000 * TEST_SLOT + RANDOM % 1000)); }

pg_as() { runuser -u postgres -- "$@"; }
pg_admin() { psql -XqAt -v ON_ERROR_STOP=1 -h "$E2E_PGSOCK" -p "$E2E_PGPORT" -U postgres "$@"; }

pg_start() { # FOLDER
	local dir=$1/pg try
	[ -n "$PGBIN" ] || { echo "no PostgreSQL server below /usr/lib/postgresql (scripts/setup installs it)" >&2; return 1; }
	install -d -o postgres -g postgres "$dir" "$E2E_PGSOCK"
	pg_as "$PGBIN/initdb" -D "$dir" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync > "$1/initdb.log" 2>&1 ||
		{ cat "$1/initdb.log" >&2; return 1; }
	cat > "$dir/pg_hba.conf" <<-HBA
	local all nobody                     peer
	local all all                        trust
	host  all scram_user  0.0.0.0/0      scram-sha-256
	host  all md5_user    0.0.0.0/0      md5
	host  all plain_user  0.0.0.0/0      password
	host  all all         0.0.0.0/0      trust
	HBA
	cat >> "$dir/postgresql.conf" <<-CONF
	fsync = off
	synchronous_commit = off
	full_page_writes = off
	shared_buffers = 128MB
	max_connections = 80
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '$E2E_PGSOCK'
	log_line_prefix = '%p %u '
	log_statement = ${PG_LOG_STATEMENT:-all}
	log_destination = stderr
	logging_collector = off
	autovacuum = off
	CONF
	# A port that is free now may be taken a moment later: try another then.
	for try in 1 2 3 4 5; do
		E2E_PGPORT=$(some_port)
		: > "$1/pg.log"
		chown postgres "$1/pg.log"
		pg_as "$PGBIN/pg_ctl" -s -w -t 30 -D "$dir" -l "$1/pg.log" -o "-p $E2E_PGPORT $PG_OPTIONS" start > /dev/null 2>&1 && return 0
		grep -q 'could not bind\|in use' "$1/pg.log" || break
	done
	echo "PostgreSQL did not start (try $try):" >&2
	tail -n 5 "$1/pg.log" >&2
	return 1
}

pg_stop() { # FOLDER
	[ -e "$1/pg/postmaster.pid" ] && pg_as "$PGBIN/pg_ctl" -s -D "$1/pg" -m immediate stop > /dev/null 2>&1
	return 0
}

# Every card number passes Luhn, every IBAN mod-97, and none of them is anyone's.
pg_fill() {
	pg_admin -d postgres <<-'SQL'
	CREATE ROLE agent LOGIN SUPERUSER;
	CREATE ROLE nobody LOGIN;
	CREATE ROLE scram_user LOGIN PASSWORD 'scram-secret';
	SET password_encryption = 'md5';
	CREATE ROLE md5_user LOGIN PASSWORD 'md5-secret';
	CREATE ROLE plain_user LOGIN PASSWORD 'plain-secret';
	CREATE DATABASE shop OWNER agent;
	SQL
	pg_admin -d shop <<-'SQL'
	CREATE TABLE customers (id int PRIMARY KEY, name text, email text, ssn text, card text, phone text, vip int);
	INSERT INTO customers VALUES
	  (1, 'Ada Byron',     'ada@example.com',   '078-05-1120', '4111111111111111', '+44 20 7946 0018', 7001),
	  (2, 'Grace Hopper',  'grace@example.org', '219-09-9999', '5500005555555559', '+1 212 555 0147',  7002),
	  (3, 'Edsger Boer',   'eb@example.nl',     '457-55-5462', '378282246310005',  '+31 20 555 0188',  7003),
	  (4, 'Barbara Liskov','bl@example.edu',    '123-45-6789', '6011111111111117', NULL,               7004);
	CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers, total numeric(10,2), status text);
	INSERT INTO orders (customer, total, status)
	  SELECT 1 + i % 4, i * 1.5, (ARRAY['open','paid','shipped'])[1 + i % 3] FROM generate_series(1, 100) i;
	CREATE TABLE notes (id int, body text);
	INSERT INTO notes VALUES (1, 'card 4111 1111 1111 1111 was declined'), (2, 'nothing to see'),
	  (3, 'mail eb@example.nl and ada@example.com'), (4, '4111111111111112 is no card');
	CREATE SCHEMA scratch;
	CREATE TABLE scratch.t (id int, v text);
	GRANT ALL ON SCHEMA scratch TO PUBLIC;
	GRANT ALL ON ALL TABLES IN SCHEMA public, scratch TO PUBLIC;
	SQL
	pg_admin -d postgres -c 'CREATE DATABASE shop_as_new TEMPLATE shop OWNER agent'
}

# The shop as it was when it was new.
pg_refill() {
	pg_admin -d postgres -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS shop_twin WITH (FORCE)' \
		-c 'DROP DATABASE shop WITH (FORCE)' -c 'CREATE DATABASE shop TEMPLATE shop_as_new OWNER agent'
}

free_port() {
	local port
	while :; do
		port=$(some_port)
		(: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || { echo "$port"; return; }
	done
}

# holdfast_config FOLDER PORT CGROUP: a config whose every path is in the folder; prints it.
holdfast_config() {
	cat <<-YAML
	policy: $1/policy.yaml
	dir: $1/run
	ledger: $1/ledger/ledger.db
	keys: $1/keys
	homes: $1/homes
	user: "$HF_USER"
	scribe_user: "$HF_SCRIBE"
	operators_group: root
	approvers_group: root
	audit_group: root
	run_uids: "$HF_RUN_UID-$((HF_RUN_UID + 99))"
	port: $2
	self_approval: true
	cgroup: $3
	YAML
}

# The daemon's folder is tmpfs, as /run is on a real host (this one may have it on disk).
holdfast_dirs() { # FOLDER
	mkdir -p "$1/run" "$1/ledger"
	mountpoint -q "$1/run" || mount -t tmpfs -o mode=755,size=512m tmpfs "$1/run"
}

# Stops the daemon and takes its pins, runs, cgroups and mounts away, whatever state they are in.
holdfast_clean() { # FOLDER CGROUP [DAEMON-PID]
	local n
	if [ -n "${3:-}" ] && kill -TERM "$3" 2> /dev/null; then
		for n in $(seq 150); do kill -0 "$3" 2> /dev/null || break; sleep 0.1; done # condition helper
		[ "$n" -lt 150 ] || kill -KILL "$3"
	fi
	[ ! -e "$1/config.yaml" ] || "$B/holdfastd" --detach --config "$1/config.yaml" > "$1/detach.log" 2>&1
	find /sys/fs/cgroup -depth -type d -path "*/$2*" 2> /dev/null | while read -r cg; do
		[ -w "$cg/cgroup.kill" ] && echo 1 > "$cg/cgroup.kill"
		for n in $(seq 50); do rmdir "$cg" 2> /dev/null && break; sleep 0.05; done # condition helper
	done
	findmnt -rno TARGET | grep -F "$1/" | sort -r | xargs -r -n 1 umount -l
}
