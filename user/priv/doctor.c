/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `holdfast doctor`: the kernel's hooks (kern_layers), then everything around them. */
#include "priv/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/kern.h"
#include "kern/sweep.h"
#include "net/sock.h"
#include "priv/sandbox.h"
#include "util/cleanup.h"
#include "util/json.h"

enum { DOCTOR_WHY_MAX = 128, DOCTOR_MISSING = 3, DOCTOR_JSON_MAX = 64 * 1024 };

enum doctor_state { DOCTOR_PRESENT, DOCTOR_ABSENT, DOCTOR_UNKNOWN };

struct doctor_row {
	const char *name, *covers, *without;
	bool is_required;
	enum doctor_state (*probe)(char *why, size_t max);
};

bool doctor_is_release_at_least(const char *release, unsigned major, unsigned minor)
{
	unsigned a, b;

	if (sscanf(release, "%u.%u", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

static enum doctor_state doctor_kernel(char *why, size_t max)
{
	struct utsname u;

	if (uname(&u) < 0)
		return DOCTOR_UNKNOWN;
	snprintf(why, max, "%.60s", u.release);
	return doctor_is_release_at_least(u.release, 6, 1) ? DOCTOR_PRESENT : DOCTOR_ABSENT;
}

static enum doctor_state doctor_cgroup(char *why, size_t max)
{
	char root[4096];
	struct statfs fs;
	int r = cgroup_find_root(root, sizeof(root));

	if (r)
		return r == CGROUP_E_NONE ? DOCTOR_ABSENT : DOCTOR_UNKNOWN;
	/* Unified: version 2 is what is mounted at the usual place. Hybrid: it is below. */
	snprintf(why, max, "%s at %.80s",
		!statfs("/sys/fs/cgroup", &fs) && fs.f_type == 0x63677270 ? "unified" : "hybrid",
		root);
	return DOCTOR_PRESENT;
}

/* In a mount namespace of a child's own, so that nothing is left behind. */
static enum doctor_state doctor_bpffs(char *why, size_t max)
{
	int status, error;
	pid_t pid = fork();

	if (pid < 0)
		return DOCTOR_UNKNOWN;
	if (!pid) {
		if (unshare(CLONE_NEWNS) < 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(errno);
		_exit(mount("none", "/", "bpf", 0, NULL) < 0 ? errno : 0);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return DOCTOR_UNKNOWN;
	error = WEXITSTATUS(status);
	snprintf(why, max, "%s", error ? strerror(error) : "can be mounted");
	return error ? DOCTOR_ABSENT : DOCTOR_PRESENT;
}

/* A child that is the first of a namespace, and says so. */
static enum doctor_state doctor_pid_namespace(char *why, size_t max)
{
	struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	int status;

	if (!pid)
		_exit(getpid() == 1 ? 0 : 1);
	if (pid < 0) {
		snprintf(why, max, "%s", strerror(errno));
		return DOCTOR_ABSENT;
	}
	if (waitpid((pid_t)pid, &status, 0) < 0)
		return DOCTOR_UNKNOWN;
	return status ? DOCTOR_ABSENT : DOCTOR_PRESENT;
}

static enum doctor_state doctor_landlock(char *why, size_t max)
{
	int abi = sandbox_landlock_abi();

	if (abi)
		snprintf(why, max, "ABI %d", abi);
	return abi ? DOCTOR_PRESENT : DOCTOR_ABSENT;
}

static enum doctor_state doctor_seccomp(char *why, size_t max)
{
	unsigned level = seccomp_api_get();

	snprintf(why, max, "API level %u", level);
	/* 3: actions can be logged, a whole process killed. */
	return level >= 3 ? DOCTOR_PRESENT : DOCTOR_ABSENT;
}

/* First line of a file; false if there is none. */
static bool doctor_read(const char *path, char *buf, size_t max)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, max - 1);

	if (n < 0)
		return false;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return true;
}

static enum doctor_state doctor_sweep(char *why, size_t max)
{
	int r = sweep_probe(why, max);

	return r == 0 ? DOCTOR_PRESENT : r > 0 ? DOCTOR_ABSENT : DOCTOR_UNKNOWN;
}

static enum doctor_state doctor_setting(const char *path, const char *good, char *why, size_t max)
{
	char value[64];

	if (!doctor_read(path, value, sizeof(value))) {
		snprintf(why, max, "no %s", strrchr(path, '/') + 1);
		return DOCTOR_ABSENT;
	}
	snprintf(why, max, "%s = %.32s", strrchr(path, '/') + 1, value);
	return *value && strchr(good, *value) ? DOCTOR_PRESENT : DOCTOR_ABSENT;
}

static enum doctor_state doctor_io_uring(char *why, size_t max)
{
	return doctor_setting("/proc/sys/kernel/io_uring_disabled", "12", why, max);
}

static enum doctor_state doctor_bpf_unprivileged(char *why, size_t max)
{
	return doctor_setting("/proc/sys/kernel/unprivileged_bpf_disabled", "12", why, max);
}

static enum doctor_state doctor_yama(char *why, size_t max)
{
	return doctor_setting("/proc/sys/kernel/yama/ptrace_scope", "123", why, max);
}

static enum doctor_state doctor_tiocsti(char *why, size_t max)
{
	return doctor_setting("/proc/sys/dev/tty/legacy_tiocsti", "0", why, max);
}

static enum doctor_state doctor_userns(char *why, size_t max)
{
	return doctor_setting("/proc/sys/user/max_user_namespaces", "0", why, max);
}

static enum doctor_state doctor_rights(char *why, size_t max)
{
	snprintf(why, max, "SO_PASSRIGHTS (Linux 6.16)");
	return sock_may_refuse_rights() ? DOCTOR_PRESENT : DOCTOR_ABSENT;
}

static enum doctor_state doctor_lsm(char *why, size_t max)
{
	char list[256], *rest = list, *lsm;

	if (!doctor_read("/sys/kernel/security/lsm", list, sizeof(list))) {
		snprintf(why, max, "securityfs is not mounted");
		return DOCTOR_UNKNOWN;
	}
	snprintf(why, max, "%.100s", list);
	while ((lsm = strsep(&rest, ",")))
		if (!strcmp(lsm, "bpf"))
			return DOCTOR_PRESENT;
	return DOCTOR_ABSENT;
}

static const struct doctor_row doctor_rows[] = {
	{"kernel 6.1", "all hooks below are there and were tested",
		"hooks may be missing or differ", true, doctor_kernel},
	{"cgroup v2", "runs have control groups that hooks attach to", "nothing can be run", true,
		doctor_cgroup},
	{"bpffs", "hooks stay when the daemon dies", "the daemon's death would free the agents",
		true, doctor_bpffs},
	{"pid namespace", "runs see and signal only their own processes",
		"no run can begin: the host's processes would be in reach", true,
		doctor_pid_namespace},
	{"seccomp", "runs cannot make sockets that no hook sees",
		"packet and vsock sockets get out", true, doctor_seccomp},
	{"landlock", "a taken-over enforcer or scribe sees only its files",
		"file permissions alone protect the host's files", false, doctor_landlock},
	{"sweep", "sockets that are passed into a run from outside are found and cut",
		"they are not noticed", false, doctor_sweep},
	{"no rights", "nobody sends descriptors to our unix sockets",
		"whoever outside of a run may open ctl.sock can keep it busy; runs may not set "
		"SO_LINGER",
		false, doctor_rights},
	{"lsm bpf", "reserved for later layers", "nothing yet", false, doctor_lsm},
	{"io_uring off", "no process makes sockets around seccomp",
		"runs are refused it by seccomp", false, doctor_io_uring},
	{"bpf restricted", "unprivileged processes load no BPF", "runs are refused it by seccomp",
		false, doctor_bpf_unprivileged},
	{"yama", "processes cannot trace their neighbours",
		"an account given by --user is an open door", false, doctor_yama},
	{"tiocsti off", "no process types into another's terminal",
		"runs have a terminal of their own, and seccomp", false, doctor_tiocsti},
	{"userns off", "runs have no powers in namespaces of their own",
		"more of the kernel is within an agent's reach", false, doctor_userns},
};

enum { DOCTOR_N_ROWS = sizeof(doctor_rows) / sizeof(doctor_rows[0]) };

static const char *const doctor_state_names[] = {
	[DOCTOR_PRESENT] = "present", [DOCTOR_ABSENT] = "absent", [DOCTOR_UNKNOWN] = "unknown"};

static void doctor_text(
	FILE *to, const struct doctor_row *row, enum doctor_state state, const char *why)
{
	fprintf(to, "%-14s  %-8s %-8s  %s\n", row->name,
		state == DOCTOR_ABSENT && row->is_required ? "MISSING" : doctor_state_names[state],
		row->is_required ? "required" : "", why);
	if (state == DOCTOR_PRESENT)
		fprintf(to, "%16s%s\n", "", row->covers);
	else
		fprintf(to, "%16swithout it: %s\n", "", row->without);
}

static void doctor_json(
	FILE *to, const struct doctor_row *row, enum doctor_state state, const char *why)
{
	struct json j;

	jsonw_init(&j, DOCTOR_JSON_MAX);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "layer", slice_str(row->name));
	jsonw_string(&j, "state", slice_str(doctor_state_names[state]));
	jsonw_bool(&j, "required", row->is_required);
	jsonw_string(&j, "detail", slice_str(why));
	jsonw_string(&j, "covers", slice_str(row->covers));
	jsonw_string(&j, "without", slice_str(row->without));
	jsonw_object_end(&j);
	fprintf(to, "%.*s\n", SLICE_FMT(jsonw_done(&j)));
	jsonw_deinit(&j);
}

static bool doctor_show(FILE *to, bool as_json, const struct doctor_row *row,
	enum doctor_state state, const char *why)
{
	(as_json ? doctor_json : doctor_text)(to, row, state, why);
	return state == DOCTOR_PRESENT || !row->is_required;
}

int doctor_print(FILE *to, bool as_json)
{
	char why[DOCTOR_WHY_MAX];
	unsigned n_missing = 0;

	for (size_t i = 0; i < DOCTOR_N_ROWS; i++) {
		enum doctor_state state;

		*why = 0;
		state = doctor_rows[i].probe(why, sizeof(why));
		n_missing += !doctor_show(to, as_json, &doctor_rows[i], state, why);
	}
	for (const struct kern_layer *l = kern_layers; l->name; l++) {
		const struct doctor_row row = {
			l->name, l->covers, l->without, l->is_required, NULL};
		int r;

		if (!strcmp(l->name, "cgroup2"))
			continue; /* said above, with its kind */
		*why = 0;
		r = kern_probe(l, why, sizeof(why));
		n_missing += !doctor_show(to, as_json, &row,
			r == 0  ? DOCTOR_PRESENT
			: r > 0 ? DOCTOR_ABSENT
				: DOCTOR_UNKNOWN,
			why);
	}
	if (!as_json)
		fprintf(to, "\n%s\n",
			n_missing ? "This host cannot enforce: what is required is MISSING or "
				    "unknown."
				  : "This host can enforce.");
	return n_missing ? DOCTOR_MISSING : 0;
}
