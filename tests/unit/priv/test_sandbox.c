/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandboxed process can still do. Each trial runs in a process of its own; its exit status
 * is the errno it got, 0 if it was let through. Needs root, and no sanitizer for what only an exact
 * filter refuses.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priv/sandbox.h"

enum { KILLED = 1000, SANDBOX_FAILED = 200, AGENT = 64950 };

#if defined(__SANITIZE_ADDRESS__)
enum { IS_EXACT = false }; /* the sanitizers are let do more */
#else
enum { IS_EXACT = true };
#endif

static char dir[64];

static void prepare(void)
{
	if (geteuid())
		cr_skip("needs root");
	snprintf(dir, sizeof(dir), "/tmp/holdfast-sandbox.XXXXXX");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(chown(dir, AGENT, AGENT), 0);
}

static void finish(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(sandbox, .init = prepare, .fini = finish);

static int enter_enforcer(void)
{
	struct sandbox_enforcer s = {.uid = AGENT, .gid = AGENT, .state_dir = dir};
	int r = sandbox_enter_enforcer(&s);

	return r < 0 ? r : 0;
}

static int enter_scribe(void)
{
	struct sandbox_scribe s = {.uid = AGENT, .gid = AGENT, .ledger_dir = dir};
	int r = sandbox_enter_scribe(&s);

	return r < 0 ? r : 0;
}

static int enter_herald(void)
{
	static const char *const none[] = {NULL};
	int r = sandbox_become(AGENT, AGENT);

	if (!r)
		r = sandbox_enter_herald(none);
	return r < 0 ? r : 0;
}

static int enter_run(void)
{
	int r = sandbox_become(AGENT, AGENT);

	return r ? r : sandbox_enter_run(true, true);
}

static int enter_run_without_unix(void)
{
	int r = sandbox_become(AGENT, AGENT);

	return r ? r : sandbox_enter_run(false, true);
}

static int enter_run_without_linger(void)
{
	int r = sandbox_become(AGENT, AGENT);

	return r ? r : sandbox_enter_run(true, false);
}

/* The errno of one trial; KILLED if the filter killed it. */
static int try_in(int (*enter)(void), int (*trial)(void))
{
	int status, r;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (!pid) {
		if (enter())
			_exit(SANDBOX_FAILED);
		errno = 0;
		r = trial();
		_exit(r >= 0 ? 0 : errno ? errno : -r);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : -WTERMSIG(status);
	cr_assert_neq(WEXITSTATUS(status), SANDBOX_FAILED, "the sandbox could not be entered");
	return WEXITSTATUS(status);
}

static int nothing(void)
{
	return 0;
}

static int tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int netlink(void)
{
	return socket(AF_NETLINK, SOCK_DGRAM, 0);
}

static int unix_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.60s/ctl.sock", dir);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(a.sun_path, 0660) < 0)
		return -1;
	return listen(fd, 1) < 0 ? -1 : unlink(a.sun_path);
}

static int unix_plain(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return -1;
}

static int trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int mount_tmpfs(void)
{
	return mount("none", dir, "tmpfs", 0, NULL);
}

static int read_etc(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int read_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static int read_tmp(void)
{
	return open("/tmp", O_RDONLY | O_DIRECTORY);
}

static int write_own(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || ftruncate(fd, 0) < 0)
		return -1;
	return unlink(path);
}

static int write_etc(void)
{
	return open("/etc/holdfast-test", O_WRONLY | O_CREAT, 0600);
}

static int bpf_command(int command)
{
	union bpf_attr attr = {0};

	attr.map_fd = (unsigned)-1;
	return (int)syscall(SYS_bpf, command, &attr, sizeof(attr));
}

static int bpf_lookup(void)
{
	return bpf_command(BPF_MAP_LOOKUP_ELEM);
}

static int bpf_update(void)
{
	return bpf_command(BPF_MAP_UPDATE_ELEM);
}

static int bpf_load(void)
{
	return bpf_command(BPF_PROG_LOAD);
}

static int make_process(void)
{
	return fork();
}

static void *thread_main(void *arg)
{
	return arg;
}

static int make_thread(void)
{
	pthread_t t;
	void *ret = NULL;

	errno = pthread_create(&t, NULL, thread_main, dir);
	return errno || pthread_join(t, &ret) || ret != dir ? -1 : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0);
}

static int resolve(void)
{
	struct addrinfo *list = NULL;
	int r = getaddrinfo("localhost", "5432", NULL, &list);

	if (!r)
		freeaddrinfo(list);
	errno = EIO;
	return r ? -1 : 0;
}

static int memory(void)
{
	void *p = malloc(64 << 20);
	void *stack = mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	return !p || stack == MAP_FAILED || madvise(stack, 4096, MADV_DONTNEED) < 0 ? -1 : 0;
}

static int raw(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int pair_dgram(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds);
}

static int pair_stream(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
}

/* Family, type and protocol of each, and what a run is told; the control is made outside of one. */
static const struct {
	int family, type, protocol, error;
} triples[] = {
	{AF_INET, SOCK_STREAM, 0, 0},
	{AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP, 0},
	{AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP, 0},
	{AF_INET, SOCK_DGRAM, 0, 0},
	{AF_INET, SOCK_STREAM, IPPROTO_MPTCP, EPROTONOSUPPORT},
	{AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP, EPROTONOSUPPORT},
	{AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, EPROTONOSUPPORT},
	{AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDPLITE, EPROTONOSUPPORT},
	{AF_INET, SOCK_DGRAM, IPPROTO_ICMP, EPROTONOSUPPORT},
	{AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, EPROTONOSUPPORT},
	{AF_INET, SOCK_DGRAM, -1, EPROTONOSUPPORT},
	{AF_INET, SOCK_SEQPACKET, 0, ESOCKTNOSUPPORT},
	{AF_INET, SOCK_RAW, IPPROTO_RAW, ESOCKTNOSUPPORT},
};
static size_t triple;

static int make_triple(void)
{
	return socket(triples[triple].family, triples[triple].type, triples[triple].protocol);
}

static int pair_inet(void)
{
	int fds[2];

	return socketpair(AF_INET, SOCK_STREAM, 0, fds);
}

static int ring(void)
{
	char params[128] = {0};

	return (int)syscall(SYS_io_uring_setup, 1, params);
}

static int regain(void)
{
	return setuid(0);
}

/* What the kernel says of a process inside: true if each line of `wanted` is in its status. */
static void expect_powerless(int (*enter)(void))
{
	static const char *const wanted[] = {"\nUid:\t64950\t64950\t64950\t64950\n",
		"\nGid:\t64950\t64950\t64950\t64950\n", "\nGroups:\t \n",
		"\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
		"\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"};
	char path[64], text[4096], byte;
	int ready[2], fd;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid) {
		if (enter() || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the sandbox could not be entered");
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	close(ready[0]);
	cr_assert_gt(n, 0);
	text[n] = 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect(strstr(text, wanted[i]), "no%sin%s", wanted[i], text);
}

Test(sandbox, nobody_keeps_powers)
{
	expect_powerless(enter_enforcer);
	expect_powerless(enter_scribe);
	expect_powerless(enter_herald);
	expect_powerless(enter_run);
}

Test(sandbox, enforcer_can_work)
{
	cr_expect_eq(try_in(enter_enforcer, nothing), 0);
	cr_expect_eq(try_in(enter_enforcer, tcp), 0);
	cr_expect_eq(try_in(enter_enforcer, unix_socket), 0);
	cr_expect_eq(try_in(enter_enforcer, read_etc), 0);
	cr_expect_eq(try_in(enter_enforcer, write_own), 0);
	cr_expect_eq(try_in(enter_enforcer, make_thread), 0);
	cr_expect_eq(try_in(enter_enforcer, resolve), 0);
	cr_expect_eq(try_in(enter_enforcer, memory), 0);
	cr_expect_eq(try_in(enter_enforcer, pair_stream), 0);
	cr_expect_eq(try_in(enter_enforcer, bpf_lookup), EBADF, "the call itself is let through");
}

Test(sandbox, enforcer_has_nothing_else)
{
	if (sandbox_landlock_abi()) {
		cr_expect_eq(try_in(enter_enforcer, read_tmp), EACCES);
		cr_expect_eq(try_in(enter_enforcer, read_root), EACCES);
	}
	cr_expect_eq(try_in(enter_enforcer, write_etc), EACCES);
	cr_expect_eq(try_in(enter_enforcer, netlink), EPERM);
	cr_expect_eq(try_in(enter_enforcer, bpf_update), EPERM);
	cr_expect_eq(try_in(enter_enforcer, bpf_load), EPERM);
	if (!IS_EXACT)
		return;
	cr_expect_eq(try_in(enter_enforcer, make_process), EPERM);
	cr_expect_eq(try_in(enter_enforcer, signal_parent), EPERM);
	cr_expect_eq(try_in(enter_enforcer, execute), KILLED);
	cr_expect_eq(try_in(enter_enforcer, trace), KILLED);
	cr_expect_eq(try_in(enter_enforcer, mount_tmpfs), KILLED);
	cr_expect_eq(try_in(enter_enforcer, regain), KILLED);
}

Test(sandbox, scribe_has_its_folder_and_no_network)
{
	cr_expect_eq(try_in(enter_scribe, write_own), 0);
	cr_expect_eq(try_in(enter_scribe, make_thread), 0);
	cr_expect_eq(try_in(enter_scribe, memory), 0);
	cr_expect_eq(try_in(enter_scribe, tcp), EPERM);
	cr_expect_eq(try_in(enter_scribe, unix_plain), EPERM);
	if (sandbox_landlock_abi())
		cr_expect_eq(try_in(enter_scribe, read_etc), EACCES);
	cr_expect_eq(try_in(enter_scribe, bpf_lookup), EPERM);
	if (!IS_EXACT)
		return;
	cr_expect_eq(try_in(enter_scribe, execute), KILLED);
	cr_expect_eq(try_in(enter_scribe, make_process), EPERM);
}

Test(sandbox, herald_has_the_network_and_nothing_else)
{
	cr_expect_eq(try_in(enter_herald, tcp), 0);
	cr_expect_eq(try_in(enter_herald, resolve), 0);
	cr_expect_eq(try_in(enter_herald, read_etc), 0);
	cr_expect_eq(try_in(enter_herald, make_thread), 0);
	cr_expect_eq(try_in(enter_herald, memory), 0);
	cr_expect_eq(try_in(enter_herald, unix_plain), EPERM);
	cr_expect_eq(try_in(enter_herald, bpf_lookup), EPERM);
	if (sandbox_landlock_abi()) {
		cr_expect_eq(try_in(enter_herald, write_own), EACCES);
		cr_expect_eq(try_in(enter_herald, read_tmp), EACCES);
	}
	if (!IS_EXACT)
		return;
	cr_expect_eq(try_in(enter_herald, make_process), EPERM);
	cr_expect_eq(try_in(enter_herald, signal_parent), EPERM);
	cr_expect_eq(try_in(enter_herald, execute), KILLED);
	cr_expect_eq(try_in(enter_herald, trace), KILLED);
}

Test(sandbox, run_makes_sockets_of_the_list_only)
{
	int fds[2];

	for (triple = 0; triple < sizeof(triples) / sizeof(triples[0]); triple++)
		cr_expect_eq(try_in(enter_run, make_triple), triples[triple].error, "number %zu",
			triple);
	/* The kernel says EOPNOTSUPP, having made two sockets: it is not asked. */
	cr_expect_eq(socketpair(AF_INET, SOCK_STREAM, 0, fds), -1);
	cr_expect_eq(errno, EOPNOTSUPP);
	cr_expect_eq(try_in(enter_run, pair_inet), EAFNOSUPPORT);
	cr_expect_eq(try_in(enter_run, pair_stream), 0);
}

Test(sandbox, run_can_work)
{
	cr_expect_eq(try_in(enter_run, tcp), 0);
	cr_expect_eq(try_in(enter_run, unix_plain), 0);
	cr_expect_eq(try_in(enter_run, pair_dgram), 0);
	cr_expect_eq(try_in(enter_run, make_process), 0);
	cr_expect_eq(try_in(enter_run, make_thread), 0);
	cr_expect_eq(try_in(enter_run, execute), 0);
	cr_expect_eq(try_in(enter_run_without_unix, pair_stream), 0);
	cr_expect_eq(try_in(enter_run_without_unix, tcp), 0);
}

Test(sandbox, run_has_no_way_around)
{
	cr_expect_eq(try_in(enter_run, netlink), EAFNOSUPPORT);
	cr_expect_eq(try_in(enter_run, raw), ESOCKTNOSUPPORT);
	cr_expect_eq(try_in(enter_run, ring), ENOSYS);
	cr_expect_eq(try_in(enter_run, trace), EPERM);
	cr_expect_eq(try_in(enter_run, regain), EPERM);
	cr_expect_eq(try_in(enter_run, bpf_lookup), EPERM);
	cr_expect_eq(try_in(enter_run_without_unix, unix_plain), EAFNOSUPPORT);
	cr_expect_eq(try_in(enter_run_without_unix, pair_dgram), ESOCKTNOSUPPORT);
}

static int become_root(void)
{
	return sandbox_become(0, AGENT);
}

static int become_root_group(void)
{
	return sandbox_become(AGENT, 0);
}

static int become_unchanged(void)
{
	return sandbox_become((uid_t)-1, AGENT);
}

static int run_with_powers(void)
{
	return sandbox_enter_run(true, true);
}

static int set_option(int level, int option)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 60};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* The kernel looks at the lower 32 bits. */
	return fd < 0 ? -1
		      : (int)syscall(SYS_setsockopt, fd, (1UL << 32) | (unsigned)level,
				(1UL << 32) | (unsigned)option, &linger, sizeof(linger));
}

static int linger(void)
{
	return set_option(SOL_SOCKET, SO_LINGER);
}

static int keep_alive(void)
{
	return set_option(SOL_SOCKET, SO_KEEPALIVE);
}

Test(sandbox, run_lingers_only_where_that_can_hurt_nobody)
{
	cr_expect_eq(try_in(enter_run, linger), 0);
	cr_expect_eq(try_in(enter_run_without_unix, linger), 0);
	cr_expect_eq(try_in(enter_run_without_linger, linger), EPERM);
	cr_expect_eq(try_in(enter_run_without_linger, keep_alive), 0);
}

Test(sandbox, fails_closed)
{
	cr_expect_eq(try_in(nothing, become_root), EPERM);
	cr_expect_eq(try_in(nothing, become_root_group), EPERM);
	cr_expect_eq(try_in(nothing, become_unchanged), EPERM);
	cr_expect_eq(try_in(nothing, run_with_powers), EPERM);
}
