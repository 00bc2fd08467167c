/* SPDX-License-Identifier: Apache-2.0 */
/* Terminal modes: see term.h. */
#include "cli/term.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct term *term_current; /* for exit() */

static void term_at_exit(void)
{
	if (term_current)
		term_restore(term_current);
}

int term_change(struct term *t, int fd, enum term_mode mode)
{
	static bool is_registered;
	struct termios now;

	if (tcgetattr(fd, &t->saved) < 0)
		return -errno;
	now = t->saved;
	if (mode == TERM_RAW) {
		cfmakeraw(&now);
	} else {
		now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		now.c_cc[VMIN] = 1;
		now.c_cc[VTIME] = 0;
	}
	if (tcsetattr(fd, TCSADRAIN, &now) < 0)
		return -errno;
	t->fd = fd;
	t->is_changed = true;
	term_current = t;
	if (!is_registered)
		atexit(term_at_exit);
	is_registered = true;
	return 0;
}

void term_restore(struct term *t)
{
	if (t->is_changed)
		tcsetattr(t->fd, TCSADRAIN, &t->saved);
	t->is_changed = false;
	if (term_current == t)
		term_current = NULL;
}

struct winsize term_size(int fd)
{
	struct winsize size = {0};

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	return size;
}

void term_stop(struct term *t, enum term_mode mode)
{
	bool was_changed = t->is_changed;
	int fd = t->fd;

	term_restore(t);
	raise(SIGSTOP);
	/* If the terminal is gone by now, the next read says so. */
	if (was_changed && term_change(t, fd, mode))
		t->is_changed = false;
}

int term_signals(const int *signals)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int term_next_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}
