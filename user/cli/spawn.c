/* SPDX-License-Identifier: Apache-2.0 */
/* Commands for holds: see spawn.h. */
#include "cli/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/text.h"

enum { SPAWN_TEXT_MAX = 4096 };

/* NUL ends a variable; the rest of such a value is not seen there. */
static void spawn_set(const char *name, const json_t *hold, const char *key)
{
	char value[SPAWN_TEXT_MAX];

	snprintf(value, sizeof(value), "%.*s", SLICE_FMT(text_field(hold, key)));
	setenv(name, value, 1);
}

void spawn_notify(const char *command, const json_t *hold)
{
	sigset_t none;
	pid_t pid = fork();
	int fd;

	if (pid)
		return; /* < 0: the bell rings all the same */
	spawn_set("HOLDFAST_HOLD", hold, "id");
	spawn_set("HOLDFAST_RUN", hold, "run_name");
	spawn_set("HOLDFAST_RESOURCE", hold, "resource");
	spawn_set("HOLDFAST_RULE", hold, "rule");
	spawn_set("HOLDFAST_EFFECTS", hold, "effects");
	spawn_set("HOLDFAST_TEXT", hold, "text");
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(127);
	closefrom(3);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	setsid();
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}
