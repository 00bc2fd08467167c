/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving the control group, gaining powers, reaching the kernel: see probe.h. What would do harm
 * is tried up to the point where it could be done, and no further. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "selftest/probe.h"
#include "util/cleanup.h"

enum { STAY_PATH_MAX = 512 };

static void stay_fclosep(FILE *const *f)
{
	if (*f)
		fclose(*f);
}

/* Opening is enough of an answer. */
static int stay_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return PROBE_OUT;
}

/* Opens the first that opens; the last errno if none does. */
static int stay_open_any(struct probe_context *c, const char *const *paths, int flags)
{
	int r = -ENOENT;

	for (; *paths; paths++) {
		int one = stay_open(*paths, flags);

		if (one == PROBE_OUT) {
			snprintf(c->why, sizeof(c->why), "%.100s", *paths);
			return one;
		}
		if (one != -ENOENT)
			r = one;
	}
	return r == -ENOENT && c->guise == GUISE_CONTROL ? probe_absent(c, "not on this host") : r;
}

/* ---- control groups ---------------------------------------------------------------------------
 */

/* Where cgroup2 is mounted, as this process sees it. */
static bool stay_cgroup_root(char *path, size_t max)
{
	_cleanup_(stay_fclosep) FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], at[STAY_PATH_MAX], type[32];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %511s %31s", at, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(path, max, "%s", at);
			return true;
		}
	return false;
}

static int stay_cgroup_path(struct probe_context *c, const char *name, char *path, size_t max)
{
	char root[STAY_PATH_MAX];

	if (!stay_cgroup_root(root, sizeof(root)))
		return probe_absent(c, "no cgroup2 mount to be seen");
	snprintf(path, max, "%s/%s", root, name);
	return 0;
}

/* Moves this very process, which ends with the probe. */
int probe_cgroup_move(struct probe_context *c)
{
	char path[2 * STAY_PATH_MAX];
	_cleanup_(fd_closep) int fd = -1;
	int r = stay_cgroup_path(c, "cgroup.procs", path, sizeof(path));

	if (r)
		return c->guise == GUISE_CONTROL ? r : -ENOENT;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) != 1 ? -errno : PROBE_OUT;
}

int probe_cgroup_make(struct probe_context *c)
{
	char path[2 * STAY_PATH_MAX], name[32];
	int r;

	snprintf(name, sizeof(name), "holdfast-selftest-%d", (int)getpid());
	r = stay_cgroup_path(c, name, path, sizeof(path));
	if (r)
		return c->guise == GUISE_CONTROL ? r : -ENOENT;
	if (mkdir(path, 0755) < 0)
		return -errno;
	rmdir(path);
	return PROBE_OUT;
}

int probe_cgroup_clone(struct probe_context *c)
{
	char path[2 * STAY_PATH_MAX];
	_cleanup_(fd_closep) int fd = -1;
	int r = stay_cgroup_path(c, "", path, sizeof(path));
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	long pid;

	if (r)
		return c->guise == GUISE_CONTROL ? r : -ENOENT;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	args.cgroup = (uint64_t)fd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		_exit(0);
	if (pid < 0)
		return -errno;
	waitpid((pid_t)pid, NULL, 0);
	return PROBE_OUT;
}

/* In a mount namespace that ends with the probe. */
static int stay_own_mounts(const struct probe_context *c)
{
	int user = c->guise == GUISE_AGENT ? CLONE_NEWUSER : 0;

	return unshare(user | CLONE_NEWNS | CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

int probe_cgroup_mount(struct probe_context *c)
{
	char path[160];
	int r = stay_own_mounts(c);

	if (r)
		return r;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/open", c->world->dir);
	if (mount("none", path, "cgroup2", 0, NULL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/open/cgroup.procs", c->world->dir);
	return stay_open(path, O_WRONLY);
}

int probe_cgroup_remount(struct probe_context *c)
{
	char root[2 * STAY_PATH_MAX];
	int r = stay_cgroup_path(c, "", root, sizeof(root));

	if (r)
		return c->guise == GUISE_CONTROL ? r : -ENOENT;
	r = stay_own_mounts(c);
	if (r)
		return r;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount(NULL, root, NULL, MS_REMOUNT | MS_BIND, NULL) < 0 ? -errno : PROBE_OUT;
}

/* ---- files that are not the run's -------------------------------------------------------------
 */

/* The daemon's folder is covered inside: whoever sees it there has the host's root. */
int probe_proc_root(struct probe_context *c)
{
	char first[160], outside[160];
	const char *const paths[] = {first, outside, NULL};

	snprintf(first, sizeof(first), "/proc/1/root%.120s", c->world->holdfast_dir);
	snprintf(outside, sizeof(outside), "/proc/%d/root%.120s", (int)c->world->pid,
		c->world->holdfast_dir);
	return stay_open_any(c, paths, O_RDONLY | O_DIRECTORY);
}

int probe_bpffs_see(struct probe_context *c)
{
	char pins[160];
	const char *const paths[] = {pins, NULL};
	struct statfs fs;

	snprintf(pins, sizeof(pins), "%.120s/bpf", c->world->holdfast_dir);
	if (!statfs("/sys/fs/bpf", &fs) && fs.f_type == BPF_FS_MAGIC &&
		stay_open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY) == PROBE_OUT)
		return PROBE_OUT;
	return stay_open_any(c, paths, O_RDONLY | O_DIRECTORY);
}

int probe_state_see(struct probe_context *c)
{
	const char *const paths[] = {c->world->holdfast_dir, NULL};

	return stay_open_any(c, paths, O_RDONLY | O_DIRECTORY);
}

int probe_ledger_read(struct probe_context *c)
{
	const char *const paths[] = {c->world->ledger, NULL};

	return stay_open_any(c, paths, O_RDONLY);
}

int probe_ledger_write(struct probe_context *c)
{
	const char *const paths[] = {c->world->ledger, NULL};

	return stay_open_any(c, paths, O_WRONLY);
}

int probe_cron_write(struct probe_context *c)
{
	static const char *const paths[] = {"/etc/crontab", "/etc/cron.d", "/var/spool/cron",
		"/var/spool/cron/crontabs", "/var/spool/cron/atjobs", NULL};

	for (const char *const *p = paths; *p; p++)
		if (!access(*p, W_OK)) {
			snprintf(c->why, sizeof(c->why), "%s may be written", *p);
			return PROBE_OUT;
		}
	return c->guise == GUISE_CONTROL ? probe_absent(c, "no cron here") : -EACCES;
}

int probe_account_files(struct probe_context *c)
{
	static const char *const paths[] = {
		"/root", "/etc/passwd", "/etc/profile", "/etc/ld.so.preload", "/etc", NULL};

	for (const char *const *p = paths; *p; p++)
		if (!access(*p, W_OK)) {
			snprintf(c->why, sizeof(c->why), "%s may be written", *p);
			return PROBE_OUT;
		}
	return -EACCES;
}

/* ---- the kernel -------------------------------------------------------------------------------
 */

int probe_bpf_load(struct probe_context *c)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	long fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	(void)c;
	if (fd < 0)
		return -errno;
	close((int)fd);
	return PROBE_OUT;
}

int probe_bpf_mount(struct probe_context *c)
{
	char path[160];
	int r = stay_own_mounts(c);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/open", c->world->dir);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount("none", path, "bpf", 0, NULL) < 0 ? -errno : PROBE_OUT;
}

int probe_perf(struct probe_context *c)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	(void)c;
	if (fd < 0)
		return -errno;
	close((int)fd);
	return PROBE_OUT;
}

int probe_keyring(struct probe_context *c)
{
	if (syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) >= 0)
		return PROBE_OUT;
	return errno == ENOSYS && c->guise == GUISE_CONTROL ? probe_absent(c, "no key rings here")
							    : -errno;
}

static int stay_setns(const char *path, int kind)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return setns(fd, kind) < 0 ? -errno : PROBE_OUT;
}

static int stay_setns_outside(const struct probe_context *c, const char *name, int kind)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)c->world->pid, name);
	return stay_setns(path, kind);
}

int probe_setns_mnt(struct probe_context *c)
{
	return stay_setns_outside(c, "mnt", CLONE_NEWNS);
}

int probe_setns_net(struct probe_context *c)
{
	return stay_setns_outside(c, "net", CLONE_NEWNET);
}

int probe_open_by_handle(struct probe_context *c)
{
	struct {
		struct file_handle h;
		unsigned char space[MAX_HANDLE_SZ];
	} handle = {.h = {.handle_bytes = MAX_HANDLE_SZ}};
	_cleanup_(fd_closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int id, fd;

	if (name_to_handle_at(AT_FDCWD, "/", &handle.h, &id, 0) < 0) {
		if (c->guise == GUISE_CONTROL)
			return probe_absent(c, "the root file system has no handles");
		handle.h.handle_bytes = 8;
		handle.h.handle_type = 1;
	}
	fd = open_by_handle_at(root, &handle.h, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return PROBE_OUT;
}

int probe_userfaultfd(struct probe_context *c)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return errno == ENOSYS && c->guise == GUISE_CONTROL
			       ? probe_absent(c, "no userfaultfd here")
			       : -errno;
	close((int)fd);
	return PROBE_OUT;
}

int probe_kernel_log(struct probe_context *c)
{
	const char *const paths[] = {"/dev/kmsg", "/proc/kmsg", NULL};

	if (syscall(SYS_syslog, 3, c->mark, 0) >= 0)
		return PROBE_OUT;
	return stay_open_any(c, paths, O_RDONLY | O_NONBLOCK);
}

int probe_kernel_memory(struct probe_context *c)
{
	const char *const paths[] = {"/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", NULL};

	return stay_open_any(c, paths, O_RDONLY);
}

/* No image: whoever may load is told that it is none, who may not, that. */
int probe_kernel_module(struct probe_context *c)
{
	if (!syscall(SYS_init_module, c->mark, 0UL, ""))
		return PROBE_OUT;
	if (errno == ENOSYS && c->guise == GUISE_CONTROL)
		return probe_absent(c, "no modules here");
	return errno == ENOEXEC || errno == EINVAL ? PROBE_OUT : -errno;
}

int probe_kernel_core_pattern(struct probe_context *c)
{
	const char *const paths[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
		"/sys/kernel/uevent_helper", NULL};

	return stay_open_any(c, paths, O_WRONLY);
}

int probe_kernel_sysrq(struct probe_context *c)
{
	const char *const paths[] = {"/proc/sysrq-trigger", NULL};

	return stay_open_any(c, paths, O_WRONLY);
}

/* ---- the terminal -----------------------------------------------------------------------------
 */

/* A pty of the probe's own stands for the run's: what is asked is whether the call is there. */
static int stay_on_terminal(struct probe_context *c, unsigned long request, void *arg)
{
	_cleanup_(fd_closep) int master = posix_openpt(O_RDWR | O_CLOEXEC);
	_cleanup_(fd_closep) int slave = -1;
	char name[64];

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
		ptsname_r(master, name, sizeof(name)))
		return probe_absent(c, "no pty: %s", strerror(errno));
	if (setsid() < 0 && errno != EPERM)
		return -errno;
	signal(SIGHUP, SIG_IGN); /* when the master is closed */
	slave = open(name, O_RDWR | O_CLOEXEC);
	if (slave < 0)
		return probe_absent(c, "no pty: %s", strerror(errno));
	if (ioctl(slave, TIOCSCTTY, 0) < 0 && errno != EPERM)
		return -errno;
	return ioctl(slave, request, arg) < 0 ? -errno : PROBE_OUT;
}

int probe_terminal_input(struct probe_context *c)
{
	char byte = 'x';
	int r = stay_on_terminal(c, TIOCSTI, &byte);

	/* EIO: switched off for the whole host (dev.tty.legacy_tiocsti). */
	return r == -EIO && c->guise == GUISE_CONTROL ? probe_absent(c, "off on this host") : r;
}

int probe_terminal_paste(struct probe_context *c)
{
	char paste[2] = {3};
	int r = stay_on_terminal(c, TIOCLINUX, paste);

	/* A pty is no console: the kernel says so itself, to whom it may talk. */
	return r == -ENOTTY || r == -EINVAL ? PROBE_OUT : r;
}

/* ---- powers -----------------------------------------------------------------------------------
 */

int probe_become_root(struct probe_context *c)
{
	(void)c;
	return setuid(0) < 0 ? -errno : PROBE_OUT;
}

/* A line of /proc/self/status. */
static bool stay_status(const char *key, char *value, size_t max)
{
	_cleanup_(stay_fclosep) FILE *f = fopen("/proc/self/status", "re");
	size_t n = strlen(key);
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && line[n] == ':') {
			snprintf(value, max, "%s", line + n + 2);
			value[strcspn(value, "\n")] = 0;
			return true;
		}
	return false;
}

int probe_new_privileges(struct probe_context *c)
{
	char value[32];

	if (!stay_status("NoNewPrivs", value, sizeof(value)))
		return PROBE_OUT;
	return *value == '1' ? probe_refused(c, "no_new_privs is set") : PROBE_OUT;
}

int probe_no_filter(struct probe_context *c)
{
	char value[32];

	if (!stay_status("Seccomp", value, sizeof(value)))
		return PROBE_OUT;
	return *value == '2' ? probe_refused(c, "a seccomp filter is on") : PROBE_OUT;
}

int probe_capabilities(struct probe_context *c)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	char value[32];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (!stay_status(sets[i], value, sizeof(value)) || strtoull(value, NULL, 16)) {
			snprintf(c->why, sizeof(c->why), "%s is not empty", sets[i]);
			return PROBE_OUT;
		}
	return probe_refused(c, "all five sets are empty");
}

/* ---- other architectures ----------------------------------------------------------------------
 */

int probe_call_i386(struct probe_context *c)
{
#if defined(__x86_64__)
	long r;

	(void)c;
	/* socket(AF_NETLINK, SOCK_RAW, 0) by number 359 of the i386 table. */
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(359L), "b"((long)AF_NETLINK), "c"((long)SOCK_RAW), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? (int)r : PROBE_OUT;
#else
	return probe_absent(c, "not this architecture");
#endif
}

int probe_call_x32(struct probe_context *c)
{
#if defined(__x86_64__)
	long r = syscall(0x40000000 | SYS_getpid);

	if (r < 0 && c->guise == GUISE_CONTROL)
		return probe_absent(c, "this kernel has no x32");
	return r < 0 ? -errno : PROBE_OUT;
#else
	return probe_absent(c, "not this architecture");
#endif
}
