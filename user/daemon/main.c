/* SPDX-License-Identifier: Apache-2.0 */
/* holdfastd: start-up order and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/hmac.h>

#include "audit/journal.h"
#include "daemon/herald.h"
#include "daemon/prune.h"
#include "daemon/warden.h"
#include "kern/cgroup.h"
#include "net/sock.h"
#include "net/udp.h"
#include "policy/policy.h"
#include "priv/doctor.h"
#include "priv/sandbox.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/version.h"

enum { EXIT_BAD_FILE = 2, EXIT_HOST = 3 };
enum {
	FILE_MAX_BYTES = 1024 * 1024,
	RING_BYTES = 16 * 1024 * 1024,
	RING_SMALL_BYTES = 4 * 1024 * 1024
};

static const char usage[] =
	"usage: holdfastd [--config FILE] [--foreground] [--verbose] [--allow-degraded]\n"
	"                 [--without connect_unix]\n"
	"       holdfastd --check [--config FILE]\n"
	"       holdfastd --doctor [--json]\n"
	"       holdfastd --detach [--config FILE]\n"
	"       holdfastd --prune [--age TIME] [--size SIZE] [--legal-hold RUN] [--config FILE]\n"
	"\n"
	"  --config FILE        settings (default /etc/holdfast/holdfast.yaml)\n"
	"  --foreground         log to this terminal (under systemd it always does so)\n"
	"  --allow-degraded     start although a layer that protects runs is missing here\n"
	"  --without LAYER      behave as if this host had no such layer (connect_unix)\n"
	"  --check              read configuration and policy, say what is wrong, and stop\n"
	"  --doctor             say what this host can and cannot enforce\n"
	"  --detach             remove the kernel side: runs that are alive are then uncontrolled\n"
	"  --prune              remove the oldest part of the ledger: see `holdfast audit prune`\n"
	"  --verbose            log decisions in detail\n"
	"  --json               with --doctor: one JSON object a layer\n"
	"  --version            print the version\n";

struct args {
	const char *config_path;
	bool is_doctor, is_detach, is_prune, is_json, is_check, foreground, allow_degraded,
		without_connect_unix;
	struct prune_wish prune;
};

static int main_fail(int code, const char *text, const char *why)
{
	fprintf(stderr, "holdfastd: %s%s%s\n", text, why ? ": " : "", why ? why : "");
	return code;
}

static int main_parse_args(struct args *a, int argc, char **argv)
{
	enum {
		CONFIG = 256,
		FOREGROUND,
		DEGRADED,
		WITHOUT,
		CHECK,
		DOCTOR,
		JSON,
		DETACH,
		PRUNE,
		PRUNE_AGE,
		PRUNE_SIZE,
		PRUNE_HOLD,
		VERBOSE,
		VERSION
	};
	static const struct option options[] = {
		{"config", required_argument, NULL, CONFIG},
		{"foreground", no_argument, NULL, FOREGROUND},
		{"allow-degraded", no_argument, NULL, DEGRADED},
		{"without", required_argument, NULL, WITHOUT},
		{"check", no_argument, NULL, CHECK},
		{"doctor", no_argument, NULL, DOCTOR},
		{"json", no_argument, NULL, JSON},
		{"detach", no_argument, NULL, DETACH},
		{"prune", no_argument, NULL, PRUNE},
		{"age", required_argument, NULL, PRUNE_AGE},
		{"size", required_argument, NULL, PRUNE_SIZE},
		{"legal-hold", required_argument, NULL, PRUNE_HOLD},
		{"verbose", no_argument, NULL, VERBOSE},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int o;

	*a = (struct args){.config_path = "/etc/holdfast/holdfast.yaml"};
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (o) {
		case CONFIG:
			a->config_path = optarg;
			break;
		case FOREGROUND:
			a->foreground = true;
			break;
		case DEGRADED:
			a->allow_degraded = true;
			break;
		case WITHOUT:
			if (strcmp(optarg, "connect_unix") != 0)
				return main_fail(
					EXIT_BAD_FILE, "--without knows connect_unix only", NULL);
			a->without_connect_unix = true;
			break;
		case CHECK:
			a->is_check = true;
			break;
		case DOCTOR:
			a->is_doctor = true;
			break;
		case JSON:
			a->is_json = true;
			break;
		case DETACH:
			a->is_detach = true;
			break;
		case PRUNE:
			a->is_prune = true;
			break;
		case PRUNE_AGE:
			a->prune.age = optarg;
			break;
		case PRUNE_SIZE:
			a->prune.size = optarg;
			break;
		case PRUNE_HOLD:
			if (a->prune.n_holds == PRUNE_HOLDS_MAX)
				return main_fail(EXIT_BAD_FILE, "too many --legal-hold", NULL);
			a->prune.holds[a->prune.n_holds++] = optarg;
			break;
		case VERBOSE:
			log_setup("holdfastd", LOG_LEVEL_DEBUG);
			break;
		case VERSION:
			printf("holdfastd %s\n", HOLDFAST_VERSION);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return EXIT_BAD_FILE;
		}
	}
	if (optind < argc)
		return main_fail(EXIT_BAD_FILE, "unexpected argument", argv[optind]);
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The whole file; the caller frees. NULL and a message if it cannot be read. */
static uint8_t *main_read_file(const char *path, size_t *ret_n)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) uint8_t *text = malloc(FILE_MAX_BYTES + 1);
	ssize_t n = fd < 0 || !text ? -1 : read(fd, text, FILE_MAX_BYTES + 1);

	if (n < 0 || n > FILE_MAX_BYTES) {
		main_fail(0, path, n < 0 ? strerror(errno) : "is larger than 1 MiB");
		return NULL;
	}
	*ret_n = (size_t)n;
	return TAKE(text);
}

static int main_load_config(const struct args *a, struct config *c)
{
	static struct diag d;
	_cleanup_(freep) uint8_t *text = NULL;
	size_t n = 0;
	int r;

	text = main_read_file(a->config_path, &n);
	if (!text)
		return EXIT_BAD_FILE;
	diag_init(&d, a->config_path, slice_of(text, n));
	r = config_parse(c, slice_of(text, n), &d);
	diag_print(&d, stderr);
	c->foreground = a->foreground;
	c->allow_degraded = a->allow_degraded;
	c->without_connect_unix = a->without_connect_unix;
	return r ? EXIT_BAD_FILE : 0;
}

/* Judges the policy before anything is changed; keeps its text for the enforcers to come. */
static int main_load_policy(struct process *p)
{
	static struct diag d;
	struct policy *policy = NULL;
	size_t n = 0;
	uint8_t *text = main_read_file(p->config->policy, &n);
	int r;

	if (!text)
		return EXIT_BAD_FILE;
	p->policy_text = slice_of(text, n);
	diag_init(&d, p->config->policy, p->policy_text);
	r = policy_load(p->policy_text, POLICY_RESOLVE, &d, &policy);
	diag_print(&d, stderr);
	policy_free(policy);
	return r ? EXIT_BAD_FILE : 0;
}

/* ---- folders --------------------------------------------------------------------------------- */

static int main_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return main_fail(EXIT_HOST, path, strerror(errno));
	if (chown(path, uid, gid) < 0 || chmod(path, mode) < 0)
		return main_fail(EXIT_HOST, path, strerror(errno));
	return 0;
}

static int main_make_dirs(struct process *p)
{
	const struct config *c = p->config;
	_cleanup_(freep) char *ledger = strdup(c->ledger);
	gid_t audit = c->audit_group ? c->audit_group : c->scribe_gid;
	char path[256];
	int r;

	r = main_make_dir(c->dir, 0755, 0, 0);
	snprintf(path, sizeof(path), "%s/journal", c->dir);
	if (!r)
		r = main_make_dir(path, 0700, 0, 0);
	snprintf(path, sizeof(path), "%s/runs", c->dir);
	if (!r)
		r = main_make_dir(path, 0700, 0, 0);
	snprintf(p->ledger_dir, sizeof(p->ledger_dir), "%s", ledger ? dirname(ledger) : "/");
	p->hidden[0] = p->ledger_dir;
	p->hidden[1] = c->keys;
	return r ? r : main_make_dir(p->ledger_dir, 0750, c->scribe_user, audit);
}

/* One daemon a folder. The lock lives as long as this process. */
static int main_lock(const struct config *c)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/holdfastd.lock", c->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return main_fail(EXIT_HOST, path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return main_fail(EXIT_HOST, "another holdfastd is running in this folder", c->dir);
	return 0;
}

/* Until version 2 the ledger key lay in the scribe's folder. A link that the scribe put there is
 * moved as a link, which opening then does not follow. */
static int main_move_key(const struct process *p, const char *path)
{
	char old[1100];

	snprintf(old, sizeof(old), "%s/ledger.key", p->ledger_dir);
	if (access(path, F_OK) == 0 || access(old, F_OK) < 0)
		return 0;
	return rename(old, path) < 0 ? main_fail(EXIT_HOST, old, strerror(errno)) : 0;
}

/* The ledger key: made once, root's alone, in a folder where only root writes. */
static int main_load_keys(struct process *p)
{
	_cleanup_(fd_closep) int fd = -1;
	char path[1100];
	unsigned len = 0;
	int r;

	snprintf(path, sizeof(path), "%s/ledger.key", p->config->keys);
	r = main_make_dir(p->config->keys, 0755, 0, 0);
	if (!r)
		r = main_move_key(p, path);
	if (r)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || getrandom(p->ledger_key, sizeof(p->ledger_key), 0) < 0 ||
			write(fd, p->ledger_key, sizeof(p->ledger_key)) != sizeof(p->ledger_key))
			return main_fail(EXIT_HOST, path, strerror(errno));
	} else if (fd < 0 ||
		   read(fd, p->ledger_key, sizeof(p->ledger_key)) != sizeof(p->ledger_key)) {
		return main_fail(
			EXIT_HOST, path, fd < 0 ? strerror(errno) : "is not a key of 32 bytes");
	}
	/* One secret on disk, one key a purpose. */
	if (!HMAC(EVP_sha256(), p->ledger_key, sizeof(p->ledger_key), (const uint8_t *)"mask", 4,
		    p->mask_key, &len))
		return main_fail(EXIT_HOST, "no SHA-256 in this OpenSSL", NULL);
	return 0;
}

/* ---- kernel side ----------------------------------------------------------------------------- */

/* Moves this process into a cgroup of its own before any listener exists: one born outside fires no
 * hook. */
static int main_enter_cgroup(struct process *p, int *ret_runs, int *ret_daemon)
{
	char base[512], daemon[600];
	int r = cgroup_find_root(p->cgroup_root, sizeof(p->cgroup_root));

	if (r)
		return main_fail(EXIT_HOST, "no cgroup v2 here",
			"mount one: mount -t cgroup2 none /sys/fs/cgroup");
	r = cgroup_find_base(p->cgroup_root, p->config->cgroup, base, sizeof(base));
	if (r)
		return main_fail(EXIT_HOST, "no place for our cgroups",
			r < 0 ? strerror(-r) : "set `cgroup:` in the configuration");
	snprintf(p->runs_path, sizeof(p->runs_path), "%s/runs", base);
	snprintf(daemon, sizeof(daemon), "%s/daemon", base);
	*ret_runs = cgroup_make(p->runs_path);
	*ret_daemon = cgroup_make(daemon);
	if (*ret_runs < 0 || *ret_daemon < 0)
		return main_fail(
			EXIT_HOST, base, strerror(-(*ret_runs < 0 ? *ret_runs : *ret_daemon)));
	r = cgroup_move(daemon, getpid());
	return r ? main_fail(EXIT_HOST, daemon, strerror(-r)) : 0;
}

static void main_bpffs_path(const struct config *c, char *path, size_t max)
{
	snprintf(path, max, "%s/bpf", c->dir);
}

static void main_detached_path(const struct config *c, char *path, size_t max)
{
	snprintf(path, max, "%s/detached", c->dir);
}

bool process_is_detached(const struct process *p)
{
	char mark[256];

	main_detached_path(p->config, mark, sizeof(mark));
	return !access(mark, F_OK);
}

static int main_open_kernel(struct process *p)
{
	const struct config *c = p->config;
	char bpffs[256], mark[256];
	struct kern_config config = {
		.bpffs = bpffs,
		.without_connect_unix = c->without_connect_unix,
		.intercept = {.token_net = {127, 64, 0, 0}, .port = htons((uint16_t)c->port)},
	};
	const char *what = NULL;
	unsigned level;
	int r = main_enter_cgroup(p, &config.runs_cgroup_fd, &config.daemon_cgroup_fd);

	if (r)
		return r;
	main_bpffs_path(c, bpffs, sizeof(bpffs));
	if (cgroup_level(p->cgroup_root, p->runs_path, &level))
		return main_fail(EXIT_HOST, p->runs_path, "its level cannot be told");
	config.intercept.run_level = level + 1;
	r = kern_open(&config, &p->kern, &what);
	/* What an earlier daemon said does not count any more, its unix socket's name above all. */
	if (!r)
		r = kern_set_state(p->kern, &(struct intercept_state){.is_refusing = 1});
	if (!r)
		r = kern_show_life(p->kern);
	main_detached_path(c, mark, sizeof(mark));
	if (!r && unlink(mark) < 0 && errno != ENOENT)
		return main_fail(EXIT_HOST, mark, strerror(errno));
	if (r)
		return main_fail(EXIT_HOST, "the kernel side could not be loaded",
			what ? what : strerror(r < 0 ? -r : ENOTSUP));
	return 0;
}

/* What this host or configuration lacks is stored with every run. What runs cannot do without is
 * required by kern_open(); these have a second line of defence, or make the first one thinner. */
static void main_judge_host(struct process *p)
{
	snprintf(p->degraded, sizeof(p->degraded), "%s%s",
		kern_has_connect_unix(p->kern) ? ""
					       : "no connect_unix hook: no unix sockets in runs. ",
		sandbox_landlock_abi() ? "" : "no Landlock: enforcer and scribe see more files. ");
}

/* ---- what the processes share ---------------------------------------------------------------- */

static int main_open_ring(struct process *p, unsigned i, size_t size)
{
	int r = journal_create(p->ring_paths[i], size, 0, 0);

	/* Root's file: enforcer and scribe map it before they drop their rights. */
	p->ring_fds[i] = r ? -1 : open(p->ring_paths[i], O_RDWR | O_CLOEXEC);
	p->commit_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r || p->ring_fds[i] < 0 || p->commit_fds[i] < 0)
		return main_fail(EXIT_HOST, p->ring_paths[i], strerror(r < 0 ? -r : errno));
	return 0;
}

static int main_open_rings(struct process *p)
{
	const struct config *c = p->config;
	unsigned in_use = RING_WORKERS + (unsigned)c->workers;

	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0)
		return main_fail(EXIT_HOST, "eventfd", strerror(errno));
	for (unsigned i = 0; i < RINGS_MAX; i++) {
		int r;

		snprintf(p->ring_paths[i], sizeof(p->ring_paths[i]), "%s/journal/%02u.ring", c->dir,
			i);
		if (i >= in_use && access(p->ring_paths[i], F_OK) < 0)
			break;
		r = main_open_ring(p, i, i < RING_WORKERS ? RING_SMALL_BYTES : RING_BYTES);
		if (r)
			return r;
		p->n_rings = i + 1;
	}
	return 0;
}

/* Nobody can wait for the name: it is a new one at each start. */
static int main_open_unix(struct process *p)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t random[12];
	char *to = p->unix_name + 1;

	p->unix_fd = -1;
	if (!kern_has_connect_unix(p->kern))
		return 0;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return main_fail(EXIT_HOST, "getrandom", strerror(errno));
	memcpy(to, "hfunix-", 7);
	for (size_t i = 0; i < sizeof(random); i++) {
		to[7 + 2 * i] = hex[random[i] >> 4];
		to[8 + 2 * i] = hex[random[i] & 15];
	}
	p->unix_fd = sock_listen_abstract(p->unix_name, sizeof(p->unix_name));
	return p->unix_fd < 0 ? main_fail(EXIT_HOST, "unix listener", strerror(-p->unix_fd)) : 0;
}

static int main_open_listeners(struct process *p)
{
	const struct config *c = p->config;
	char path[256];

	if (sock_is_port_given_away((uint16_t)c->port))
		log_warn("port",
			"port=%u: the kernel gives it to whoever asks for any, a run too, while we "
			"are "
			"down: choose another, or name it in net.ipv4.ip_local_reserved_ports",
			(unsigned)c->port);
	for (unsigned i = 0; i < c->workers; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			int fd = sock_listen(v6, (uint16_t)c->port, true);

			if (fd < 0)
				return main_fail(EXIT_HOST,
					"the enforcer's port cannot be opened; set `port:`",
					strerror(-fd));
			p->listener_fds[i][v6] = fd;
		}
	for (unsigned i = 0; i < c->workers; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			int fd = udp_listen(v6, (uint16_t)c->port, true);

			if (fd < 0 || kern_mark_own(p->kern, fd))
				return main_fail(EXIT_HOST,
					"the enforcer's port cannot be opened for UDP; set `port:`",
					strerror(fd < 0 ? -fd : EIO));
			p->question_fds[i][v6] = fd;
		}
	if (getsockopt(p->listener_fds[0][0], SOL_SOCKET, SO_NETNS_COOKIE, &p->netns,
		    &(socklen_t){sizeof(p->netns)}) < 0)
		return main_fail(EXIT_HOST, "SO_NETNS_COOKIE", strerror(errno));
	snprintf(path, sizeof(path), "%s/ctl.sock", c->dir);
	/* Open to all: who may do what is decided by who they are (SO_PEERCRED), never by the path.
	 */
	p->ctl_fd = sock_listen_unix(path, 0666);
	return p->ctl_fd < 0 ? main_fail(EXIT_HOST, path, strerror(-p->ctl_fd)) : 0;
}

/*
 * A listener that was born outside the daemon's cgroup fires no hook, and its connections would
 * come without an origin for ever. A connection of our own has none either, and the hook counts
 * that: so each family is called once, and the count must move.
 */
static int main_verify_listeners(struct process *p)
{
	static const uint8_t loopback[2][16] = {
		{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, {[15] = 1}};
	uint64_t before[HOOK_N][COUNT_N], after[HOOK_N][COUNT_N];
	int counts = kern_counts_fd(p->kern);

	for (int v6 = 0; v6 < 2; v6++) {
		_cleanup_(fd_closep) int fd = -1;
		struct pollfd pfd;

		if (kern_read_counts(counts, before))
			return main_fail(EXIT_HOST, "the kernel's counters cannot be read", NULL);
		fd = sock_dial(loopback[v6], (uint16_t)p->config->port);
		pfd = (struct pollfd){.fd = fd, .events = POLLOUT};
		if (fd < 0 || poll(&pfd, 1, 1000) != 1 || sock_connect_result(fd) ||
			kern_read_counts(counts, after) ||
			after[HOOK_SOCKOPS_SERVER][COUNT_NO_ORIGIN] ==
				before[HOOK_SOCKOPS_SERVER][COUNT_NO_ORIGIN])
			return main_fail(EXIT_HOST,
				"the enforcer's listener is not seen by its hook",
				v6 ? "IPv6 loopback" : "IPv4 loopback");
	}
	/* Our own calls are no business of the enforcer's. */
	for (unsigned i = 0; i < p->config->workers; i++)
		for (int v6 = 0; v6 < 2; v6++)
			for (int fd; (fd = sock_accept(p->listener_fds[i][v6])) >= 0;)
				close(fd);
	return 0;
}

static int main_share(struct process *p)
{
	void *shared = mmap(NULL, sizeof(struct vitals), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return main_fail(EXIT_HOST, "shared memory", strerror(errno));
	p->vitals = shared;
	return 0;
}

static int main_detach(const struct config *c)
{
	char bpffs[256], mark[256];
	int r, fd;

	main_bpffs_path(c, bpffs, sizeof(bpffs));
	main_detached_path(c, mark, sizeof(mark));
	/* Before the hooks go, or a daemon that runs would put them back. */
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return main_fail(EXIT_HOST, mark, strerror(errno));
	close(fd);
	r = kern_detach(bpffs);
	if (r)
		return main_fail(EXIT_HOST, bpffs, r < 0 ? strerror(-r) : "could not be detached");
	puts("detached: the kernel side is gone; processes of runs that are alive are uncontrolled "
	     "now");
	return 0;
}

static int main_prune(const struct args *a, const struct config *c)
{
	int r = geteuid() ? main_fail(EXIT_HOST, "must be started as root", NULL)
			  : main_make_dir(c->dir, 0755, 0, 0);

	if (!r)
		r = main_lock(c);
	return r ? r : prune_by_hand(c, &a->prune);
}

/* Before any key is here: the herald begins as a copy of this process. */
static int main_start_herald(struct process *p)
{
	int r = herald_prepare(p);

	if (!r)
		r = herald_start(p);
	return r ? main_fail(EXIT_HOST, "the webhook's secret (16 to 64 bytes) or process",
			   strerror(-r))
		 : 0;
}

int main(int argc, char **argv)
{
	static struct process p; /* zero, and too large for a stack */
	static struct config config;
	struct args args;
	int r;

	log_setup("holdfastd", LOG_LEVEL_INFO);
	r = main_parse_args(&args, argc, argv);
	if (r)
		return r;
	if (args.is_doctor)
		return doctor_print(stdout, args.is_json);
	r = main_load_config(&args, &config);
	p.config = &config;
	if (!r && args.is_detach)
		return geteuid() ? main_fail(EXIT_HOST, "must be started as root", NULL)
				 : main_detach(&config);
	if (!r && args.is_prune)
		return main_prune(&args, &config);
	if (!r)
		r = main_load_policy(&p);
	if (r || args.is_check)
		return r;
	if (geteuid())
		return main_fail(EXIT_HOST,
			"must be started as root: it loads BPF programs and makes cgroups", NULL);
	umask(0022);
	r = main_make_dirs(&p);
	if (!r)
		r = main_lock(&config);
	if (!r)
		r = main_start_herald(&p);
	if (!r)
		r = main_load_keys(&p);
	if (!r)
		r = main_open_kernel(&p);
	if (!r)
		main_judge_host(&p);
	if (!r)
		r = main_open_rings(&p);
	if (!r)
		r = main_open_listeners(&p);
	if (!r)
		r = main_open_unix(&p);
	if (!r)
		r = main_verify_listeners(&p);
	if (!r)
		r = main_share(&p);
	if (r)
		return r;
	r = warden_run(&p);
	kern_close(p.kern);
	config_deinit(&config);
	return r;
}
