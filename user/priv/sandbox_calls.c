/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp filters as tables of names: see sandbox_calls.h. */
#include "priv/sandbox_calls.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Memory, threads, time, and what the C library does unasked: harmless in any of our processes. */
static const char *const calls_common[] = {"brk", "mmap", "munmap", "mprotect", "mremap", "madvise",
	"mlock", "mlock2", "munlock", "mincore", "membarrier", "memfd_create", "msync", "futex",
	"futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"arch_prctl", "restart_syscall", "exit", "exit_group", "sched_yield", "sched_getaffinity",
	"sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
	"sched_get_priority_min", "getcpu", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "pause",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
	"getresgid", "getgroups", "getpgrp", "getrlimit", "getrusage", "times", "uname", "sysinfo",
	"getrandom", "getcwd", "umask", "read", "readv", "pread64", "preadv", "preadv2", "write",
	"writev", "pwrite64", "pwritev", "pwritev2", "close", "close_range", "dup", "dup2", "dup3",
	"fcntl", "fcntl64", "lseek", "_llseek", "open", "openat", "stat", "lstat", "fstat",
	"newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getdents64", "fallocate", "fadvise64", "ftruncate",
	"fsync", "fdatasync", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "timerfd_create",
	"timerfd_settime", "timerfd_gettime", "signalfd4", "pipe", "pipe2", NULL};

/* Sockets of any kind but socket(2) itself, whose family is looked at. */
static const char *const calls_network[] = {"connect", "bind", "listen", "accept", "accept4",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", "recvfrom", "recvmsg",
	"recvmmsg", "sendto", "sendmsg", "sendmmsg", "splice", "tee", "sendfile", NULL};

/* The enforcer's control socket, and naming the processes of those who ask. */
static const char *const calls_enforcer[] = {"unlink", "unlinkat", "chmod", "fchmod", "fchmodat",
	"fchown", "fchownat", "chown", "pidfd_open", NULL};

/* SQLite and the retention of its files; and the descriptors that the warden hands over. */
static const char *const calls_scribe[] = {"unlink", "unlinkat", "rename", "renameat", "renameat2",
	"chmod", "fchmod", "fchmodat", "fchown", "mkdir", "mkdirat", "utimensat", "flock",
	"truncate", "copy_file_range", "recvmsg", "sendmsg", "recvfrom", "sendto", "shutdown",
	"getsockopt", NULL};

/* No code of ours or of our libraries makes these: whoever does has taken the process over. */
static const char *const calls_hostile[] = {"execve", "execveat", "process_vm_readv",
	"process_vm_writev", "pidfd_getfd", "mount", "umount2", "pivot_root", "chroot", "open_tree",
	"move_mount", "fsopen", "setns", "unshare", "init_module", "finit_module", "delete_module",
	"kexec_load", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"userfaultfd", "ptrace", "add_key", "request_key", "keyctl", "reboot", "swapon", "swapoff",
	"acct", "setuid", "setgid", "setresuid", "setresgid", "setgroups", "capset",
	"open_by_handle_at", NULL};

/* Unknown programs do without these: ways into other processes, into the kernel, or around the
 * hooks. Their own namespaces they may make: without a route out, those lead nowhere. */
static const char *const calls_run_denied[] = {"ptrace", "process_vm_readv", "process_vm_writev",
	"pidfd_getfd", "kcmp", "bpf", "perf_event_open", "add_key", "request_key", "keyctl",
	"setns", "open_by_handle_at", "userfaultfd", "init_module", "finit_module", "delete_module",
	"kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl",
	"lookup_dcookie", "nfsservctl", "syslog", "fanotify_init", NULL};

/* Programs fall back where the kernel is too old for it, so that is what they are told. */
static const char *const calls_run_absent[] = {
	"io_uring_setup", "io_uring_enter", "io_uring_register", NULL};

/* The sanitizers' own needs: the leak checker stops the other threads with ptrace. */
static const char *const calls_sanitizer[] = {"clone", "clone3", "ptrace", "wait4", "prctl",
	"tgkill", "kill", "prlimit64", "personality", "socketpair", "process_vm_readv", "ioctl",
	NULL};

#if defined(__SANITIZE_ADDRESS__)
enum { CALLS_IS_SANITIZED = true };
#else
enum { CALLS_IS_SANITIZED = false };
#endif

static void calls_releasep(const scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* Adds one action for each name. A name that libseccomp does not know may be missing from a list of
 * permissions, never from one of refusals. */
static int calls_add(scmp_filter_ctx ctx, uint32_t action, const char *const *names)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR) {
			if (action == SCMP_ACT_ALLOW)
				continue;
			return err_raise(-ENOSYS);
		}
		r = seccomp_rule_add_array(ctx, action, nr, 0, NULL);
		if (r < 0 && r != -EEXIST)
			return err_raise(r);
	}
	return 0;
}

static int calls_add_if(scmp_filter_ctx ctx, uint32_t action, int nr, struct scmp_arg_cmp cmp)
{
	int r = seccomp_rule_add_array(ctx, action, nr, 1, &cmp);

	return r < 0 ? err_raise(r) : 0;
}

struct calls_if {
	int nr;
	struct scmp_arg_cmp cmp;
};

static int calls_add_ifs(scmp_filter_ctx ctx, uint32_t action, const struct calls_if *ifs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = calls_add_if(ctx, action, ifs[i].nr, ifs[i].cmp);

		if (r)
			return err_trace(r);
	}
	return 0;
}

static int calls_begin(uint32_t fallback, scmp_filter_ctx *ret)
{
	_cleanup_(calls_releasep) scmp_filter_ctx ctx = seccomp_init(fallback);

	if (!ctx)
		return err_raise(-ENOMEM);
	/* x32 and 32-bit calls have other numbers: a filter that let them pass would be none. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		return err_raise(-EINVAL);
	*ret = TAKE(ctx);
	return 0;
}

static int calls_load(scmp_filter_ctx ctx)
{
	int r = seccomp_load(ctx);

	return r < 0 ? err_raise(r) : 0;
}

/* What both daemons may do with arguments that matter. Threads yes, processes no: clone3 hides its
 * flags behind a pointer, so the C library is made to fall back to clone. */
static int calls_daemon_ifs(scmp_filter_ctx ctx)
{
	const scmp_datum_t pid = (scmp_datum_t)getpid();
	const struct calls_if ifs[] = {
		{SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		{SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, pid)},
		{SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, pid)},
		{SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0)},
		{SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)},
		{SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME)},
		{SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_DUMPABLE)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS)},
	};
	int r = calls_add_ifs(ctx, SCMP_ACT_ALLOW, ifs, sizeof(ifs) / sizeof(ifs[0]));

	if (r)
		return err_trace(r);
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r < 0 ? err_raise(r) : 0;
}

static int calls_daemon(scmp_filter_ctx ctx)
{
	int r = calls_add(ctx, SCMP_ACT_ALLOW, calls_common);

	if (!r && CALLS_IS_SANITIZED)
		return err_trace(calls_add(ctx, SCMP_ACT_ALLOW, calls_sanitizer));
	if (!r)
		r = calls_daemon_ifs(ctx);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_KILL_PROCESS, calls_hostile);
	if (r)
		return err_trace(r);
	/* What is refused is a bug or an attack; either way someone wants to read of it. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	return r < 0 ? err_raise(r) : 0;
}

int sandbox_calls_enforcer(void)
{
	enum { BPF_LOOKUP = 1 }; /* BPF_MAP_LOOKUP_ELEM */
	const struct calls_if ifs[] = {
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)},
		{SCMP_SYS(bpf), SCMP_A0(SCMP_CMP_EQ, BPF_LOOKUP)},
	};
	_cleanup_(calls_releasep) scmp_filter_ctx ctx = NULL;
	int r = calls_begin(SCMP_ACT_ERRNO(EPERM), &ctx);

	if (!r)
		r = calls_daemon(ctx);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, calls_network);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, calls_enforcer);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, (const char *const[]){"socketpair", NULL});
	if (!r)
		r = calls_add_ifs(ctx, SCMP_ACT_ALLOW, ifs, sizeof(ifs) / sizeof(ifs[0]));
	if (!r)
		r = calls_load(ctx);
	return r ? err_trace(r) : 0;
}

int sandbox_calls_scribe(void)
{
	_cleanup_(calls_releasep) scmp_filter_ctx ctx = NULL;
	int r = calls_begin(SCMP_ACT_ERRNO(EPERM), &ctx);

	if (!r)
		r = calls_daemon(ctx);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, calls_scribe);
	if (!r)
		r = calls_load(ctx);
	return r ? err_trace(r) : 0;
}

enum { CALLS_TYPE_MASK = 0xf }; /* SOCK_TYPE_MASK: flags are in the bits above */

int sandbox_calls_herald(void)
{
	const struct calls_if ifs[] = {
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET)},
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6)},
		/* Which addresses the host has: getaddrinfo() sorts by them. */
		{SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_NETLINK)},
	};
	_cleanup_(calls_releasep) scmp_filter_ctx ctx = NULL;
	int r = calls_begin(SCMP_ACT_ERRNO(EPERM), &ctx);

	if (!r)
		r = calls_daemon(ctx);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, calls_network);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ALLOW, (const char *const[]){"socketpair", NULL});
	if (!r)
		r = calls_add_ifs(ctx, SCMP_ACT_ALLOW, ifs, sizeof(ifs) / sizeof(ifs[0]));
	if (!r)
		r = calls_load(ctx);
	return r ? err_trace(r) : 0;
}

/* Families: internet always, unix if a hook watches it. The kernel looks at the lower 32 bits only,
 * so what is larger is refused as well; it is no family. */
static int calls_run_families(scmp_filter_ctx ctx, bool with_unix)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int r = calls_add_if(ctx, refuse, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_INET6));

	for (scmp_datum_t family = 0; !r && family < AF_INET6; family++) {
		if (family == AF_INET || (family == AF_UNIX && with_unix))
			continue;
		r = calls_add_if(ctx, refuse, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, family));
	}
	/* Some families beyond unix make pairs, too, and no hook sees those. */
	if (!r)
		r = calls_add_if(ctx, refuse, SCMP_SYS(socketpair), SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	return r ? err_trace(r) : 0;
}

/* Protocols of one family and type: 0, its usual one, and that by its number. */
static int calls_run_protocol(
	scmp_filter_ctx ctx, scmp_datum_t family, scmp_datum_t type, scmp_datum_t usual)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPROTONOSUPPORT);

	for (scmp_datum_t protocol = 1; protocol <= usual; protocol++) {
		const struct scmp_arg_cmp cmp[] = {SCMP_A0(SCMP_CMP_EQ, family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, CALLS_TYPE_MASK, type),
			protocol < usual ? SCMP_A2(SCMP_CMP_EQ, protocol)
					 : SCMP_A2(SCMP_CMP_GT, usual)};
		int r = seccomp_rule_add_array(ctx, refuse, SCMP_SYS(socket), 3, cmp);

		if (r < 0)
			return err_raise(r);
	}
	return 0;
}

/* MPTCP, UDP-Lite, ping and what is like them: the hook at sock_create refuses them by the same
 * list and errno, on which clients fall back; here once more, should the hook be missing. */
static int calls_run_protocols(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (unsigned i = 0; !r && i < 2; i++) {
		const scmp_datum_t family = (scmp_datum_t)families[i];
		const struct scmp_arg_cmp seqpacket[] = {SCMP_A0(SCMP_CMP_EQ, family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, CALLS_TYPE_MASK, SOCK_SEQPACKET)};

		r = calls_run_protocol(ctx, family, SOCK_STREAM, IPPROTO_TCP);
		if (!r)
			r = calls_run_protocol(ctx, family, SOCK_DGRAM, IPPROTO_UDP);
		if (!r)
			r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ESOCKTNOSUPPORT),
				SCMP_SYS(socket), 2, seqpacket);
	}
	return r < 0 ? err_raise(r) : 0;
}

/* Types: a datagram socketpair can be sent from to any path, so without the hook only kinds that
 * stay connected to each other are left. */
static int calls_run_types(scmp_filter_ctx ctx, bool with_unix)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(ESOCKTNOSUPPORT);
	const scmp_datum_t mask = CALLS_TYPE_MASK;

	for (scmp_datum_t type = 0; type <= mask; type++) {
		bool is_known = type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
		int r = 0;

		if (!is_known)
			r = calls_add_if(ctx, refuse, SCMP_SYS(socket),
				SCMP_A1(SCMP_CMP_MASKED_EQ, mask, type));
		if (!r && (!is_known || (type == SOCK_DGRAM && !with_unix)))
			r = calls_add_if(ctx, refuse, SCMP_SYS(socketpair),
				SCMP_A1(SCMP_CMP_MASKED_EQ, mask, type));
		if (r)
			return err_trace(r);
	}
	return 0;
}

static int calls_run_linger(scmp_filter_ctx ctx)
{
	const scmp_datum_t word = UINT32_MAX;
	const struct scmp_arg_cmp cmp[] = {SCMP_A1(SCMP_CMP_MASKED_EQ, word, SOL_SOCKET),
		SCMP_A2(SCMP_CMP_MASKED_EQ, word, SO_LINGER)};
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setsockopt), 2, cmp);

	return r < 0 ? err_raise(r) : 0;
}

int sandbox_calls_run(bool with_unix, bool with_linger)
{
	const scmp_datum_t word =
		UINT32_MAX; /* the kernel drops what is above an ioctl's 32 bits */
	const struct calls_if ioctls[] = {
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, word, TIOCSTI)},
		{SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, word, TIOCLINUX)},
	};
	_cleanup_(calls_releasep) scmp_filter_ctx ctx = NULL;
	int r = calls_begin(SCMP_ACT_ALLOW, &ctx);

	if (!r)
		r = calls_add(ctx, SCMP_ACT_ERRNO(EPERM), calls_run_denied);
	if (!r)
		r = calls_add(ctx, SCMP_ACT_ERRNO(ENOSYS), calls_run_absent);
	if (!r)
		r = calls_add_ifs(ctx, SCMP_ACT_ERRNO(EPERM), ioctls, 2);
	if (!r)
		r = calls_run_families(ctx, with_unix);
	if (!r)
		r = calls_run_types(ctx, with_unix);
	if (!r)
		r = calls_run_protocols(ctx);
	if (!r && !with_linger)
		r = calls_run_linger(ctx);
	if (!r)
		r = calls_load(ctx);
	return r ? err_trace(r) : 0;
}
