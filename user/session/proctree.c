/* SPDX-License-Identifier: Apache-2.0 */
/* Process ancestry for people: see proctree.h. */
#include "session/proctree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

enum { TREE_DEPTH = 6, TREE_MAX = 2048, COMMAND_MAX = 200 };

static ssize_t proctree_read(pid_t pid, const char *file, char *buf, size_t max)
{
	char path[64];
	_cleanup_(fd_closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, max - 1);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* Parent of a process; 0 if it cannot be told. */
static pid_t proctree_parent(pid_t pid)
{
	char stat[512];
	const char *p;
	int parent = 0;

	if (proctree_read(pid, "stat", stat, sizeof(stat)) <= 0)
		return 0;
	/* The name is in parentheses and may hold anything, also more of them: take the last. */
	p = strrchr(stat, ')');
	if (!p || sscanf(p + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

char *proctree_describe(pid_t pid)
{
	char *text = calloc(1, TREE_MAX);
	size_t n = 0;

	for (int depth = 0; text && depth < TREE_DEPTH && pid > 1; depth++) {
		char command[COMMAND_MAX];
		ssize_t len = proctree_read(pid, "cmdline", command, sizeof(command));

		if (len < 0)
			break;
		for (ssize_t i = 0; i + 1 < len; i++)
			if (!command[i])
				command[i] = ' ';
		n += (size_t)snprintf(text + n, TREE_MAX - n, "%s%s (%d)", n ? " < " : "",
			len ? command : "?", (int)pid);
		if (n >= TREE_MAX)
			break;
		pid = proctree_parent(pid);
	}
	return text;
}
