/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent can still do: run inside a run, tries each way out and prints `name result`, where
 * the result is `ok` or the name of the error. tests/run/run knows what each has to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result)
{
	printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

static void probe_sockets(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} rows[] = {
		{"socket-tcp", AF_INET, SOCK_STREAM, 0},
		{"socket-tcp6", AF_INET6, SOCK_STREAM, 0},
		{"socket-udp", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0},
		{"socket-unix", AF_UNIX, SOCK_STREAM, 0},
		{"socket-raw", AF_INET, SOCK_RAW, 1},
		{"socket-packet", AF_PACKET, SOCK_DGRAM, 0},
		{"socket-vsock", AF_VSOCK, SOCK_STREAM, 0},
		{"socket-netlink", AF_NETLINK, SOCK_DGRAM, 0},
		{"socket-alg", AF_ALG, SOCK_SEQPACKET, 0},
		{"socket-xdp", 44, SOCK_DGRAM, 0},
		{"socket-packet-type", AF_INET, SOCK_PACKET, 0},
	};
	int pair[2];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		say(rows[i].name, socket(rows[i].family, rows[i].type, rows[i].protocol));
	/* The kernel looks at 32 bits of the family; a filter that looks at 64 must not be fooled.
	 */
	say("socket-packet-high-bits",
		syscall(SYS_socket, (1L << 32) | AF_PACKET, (long)SOCK_DGRAM, 0L));
	say("socketpair-stream", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	say("socketpair-dgram", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}

static void probe_calls(void)
{
	char params[128] = {0}, byte = 'x';
	struct iovec here = {params, 1}, there = {params, 1};
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	say("io_uring_setup", syscall(SYS_io_uring_setup, 1, params));
	say("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	say("process_vm_readv", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
	say("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
	say("bpf", syscall(SYS_bpf, 0, params, sizeof(params)));
	say("perf_event_open", syscall(SYS_perf_event_open, params, 0, -1, -1, 0));
	say("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	say("setns", setns(pidfd, CLONE_NEWNET));
	say("tiocsti", ioctl(0, TIOCSTI, &byte));
	say("tiocsti-high-bits", syscall(SYS_ioctl, 0L, (1L << 32) | TIOCSTI, &byte));
	say("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
	say("setuid-root", setuid(0));
}

/* A 32-bit system call on a 64-bit kernel: other numbers, so no filter by number knows it. */
static void probe_foreign_calls(void)
{
#if defined(__x86_64__)
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		long r = 20; /* getpid */

		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("call-i386 %s\n",
		WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? "SIGSYS" : "ok");
	pid = fork();
	if (!pid) {
		syscall(0x40000000 | SYS_getpid);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("call-x32 %s\n",
		WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? "SIGSYS" : "ok");
#endif
}

static void probe_files(char **paths)
{
	for (; paths[0] && paths[1]; paths += 2) {
		struct statvfs fs;
		char name[64];

		if (!statvfs(paths[1], &fs))
			printf("mount-%s %s\n", paths[0], fs.f_flag & ST_RDONLY ? "ro" : "rw");
		snprintf(name, sizeof(name), "open-%.40s", paths[0]);
		say(name, open(paths[1], O_RDONLY | O_CLOEXEC));
		snprintf(name, sizeof(name), "write-%.40s", paths[0]);
		say(name, open(paths[1], O_WRONLY | O_CLOEXEC));
	}
}

/* Own user and mount namespaces give powers inside; none of them may take a cover off. */
static void probe_uncover(const char *path)
{
	char inside[512];
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(0);
		umount2(path, MNT_DETACH);
		snprintf(inside, sizeof(inside), "%s/run.sock", path);
		_exit(access(inside, F_OK) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	printf("uncover %s\n", status ? "ok" : "refused");
}

static void probe_descriptors(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	printf("descriptors %d\n", n);
}

/* usage: probe STATE_DIR [NAME PATH]…: tries to open each PATH */
int main(int argc, char **argv)
{
	char line[256];
	FILE *f;

	probe_descriptors();
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
			!strncmp(line, "Seccomp:", 8) || !strncmp(line, "Uid", 3) ||
			!strncmp(line, "Gid", 3) || !strncmp(line, "Groups", 6))
			fputs(line, stdout);
	if (f)
		fclose(f);
	probe_sockets();
	probe_calls();
	probe_foreign_calls();
	if (argc > 1) {
		probe_uncover(argv[1]);
		probe_files(argv + 2);
	}
	return 0;
}
