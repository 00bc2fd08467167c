/* SPDX-License-Identifier: Apache-2.0 */
/* Executing holdfastd: see daemon_exec.h. */
#include "cli/daemon_exec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int daemon_exec(char **args)
{
	static char name[] = "holdfastd";
	static const char *const folders[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
	char path[PATH_MAX + sizeof(name) + 1];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	args[0] = name;
	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, name, sizeof(name));
		execv(path, args);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		execv(path, args);
	}
	execvp(name, args);
	return cli_fail(CLI_HOST, "cannot execute holdfastd: %s; install it beside holdfast",
		strerror(errno));
}
