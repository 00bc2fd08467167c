/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by raw system calls: the distribution's header is older than the kernels we run on, so
 * the bits of later ABIs are written down here and cut to what the kernel knows.
 */
#include "priv/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "priv/sandbox.h"
#include "util/cleanup.h"

/* struct landlock_ruleset_attr as of ABI 6; older kernels are given its first words only. */
struct files_ruleset {
	uint64_t fs, net, scoped;
};

enum {
	FILES_EXECUTE = 1 << 0,
	FILES_WRITE_FILE = 1 << 1,
	FILES_READ_FILE = 1 << 2,
	FILES_READ_DIR = 1 << 3,
	FILES_REFER = 1 << 13,
	FILES_TRUNCATE = 1 << 14,
	FILES_IOCTL_DEV = 1 << 15,
	FILES_SCOPE_SIGNAL = 1 << 1,
};

/* What a rule on something that is not a folder may name. */
#define FILES_ON_FILE                                                                              \
	(FILES_EXECUTE | FILES_WRITE_FILE | FILES_READ_FILE | FILES_TRUNCATE | FILES_IOCTL_DEV)
#define FILES_READ (FILES_READ_FILE | FILES_READ_DIR)

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static uint64_t files_known(int abi)
{
	uint64_t known = (1 << 13) - 1;

	if (abi >= 2)
		known |= FILES_REFER;
	if (abi >= 3)
		known |= FILES_TRUNCATE;
	if (abi >= 5)
		known |= FILES_IOCTL_DEV;
	return known;
}

static int files_allow(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	_cleanup_(fd_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.parent_fd = fd};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_raise(-errno);
	if (fstat(fd, &st) < 0)
		return err_raise(-errno);
	rule.allowed_access = p->may_write ? known & ~(uint64_t)FILES_EXECUTE : FILES_READ;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILES_ON_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_raise(-errno);
	return 0;
}

int sandbox_files_restrict(const struct sandbox_path *paths)
{
	int abi = sandbox_landlock_abi(), r;
	struct files_ruleset set = {.fs = files_known(abi)};
	size_t size = sizeof(set.fs);
	_cleanup_(fd_closep) int ruleset = -1;

	if (!abi)
		return SANDBOX_FILES_E_NONE;
	if (abi >= 6) {
		set.scoped = FILES_SCOPE_SIGNAL;
		size = sizeof(set);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (ruleset < 0)
		return err_raise(-errno);
	for (; paths->path; paths++) {
		r = files_allow(ruleset, paths, set.fs);
		if (r)
			return err_trace(r);
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_raise(-errno);
	return 0;
}
