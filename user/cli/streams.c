/* SPDX-License-Identifier: Apache-2.0 */
/* Relaying bytes between a run and us: see streams.h. */
#include "cli/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/term.h"
#include "util/cleanup.h"

static struct stream stream_of(int in, bool owns_in, int out, bool owns_out)
{
	return (struct stream){.in = in, .out = out, .owns_in = owns_in, .owns_out = owns_out};
}

/* Our own ends must not make us wait; what we were given is shared with others and stays as it is.
 */
static int streams_unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* A pipe for stdin (i = 0) or for what comes out. */
static int streams_pipe(struct streams *s, int i)
{
	int pair[2], ours = i == 0 ? 1 : 0;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	s->theirs[i] = pair[1 - ours];
	if (i == 0)
		s->streams[i] = stream_of(STDIN_FILENO, false, pair[1], true);
	else
		s->streams[i] = stream_of(pair[0], true, i, false);
	return streams_unblock(pair[ours]);
}

static int streams_pty(struct streams *s)
{
	struct winsize size = term_size(STDOUT_FILENO);
	struct termios modes;
	int slave, copy;

	if (tcgetattr(STDIN_FILENO, &modes) < 0 ||
		openpty(&s->master, &slave, NULL, &modes, &size) < 0)
		return -errno;
	s->theirs[0] = slave;
	s->theirs[1] = fcntl(slave, F_DUPFD_CLOEXEC, 0);
	copy = fcntl(s->master, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || s->theirs[1] < 0 || fcntl(s->master, F_SETFD, FD_CLOEXEC) < 0 ||
		fcntl(slave, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	s->streams[0] = stream_of(STDIN_FILENO, false, s->master, false);
	s->streams[1] = stream_of(copy, true, STDOUT_FILENO, false);
	return streams_unblock(s->master);
}

int streams_init(struct streams *s)
{
	int r = 0;

	memset(s, 0, sizeof(*s));
	s->master = -1;
	for (int i = 0; i < 3; i++) {
		s->streams[i] = stream_of(-1, false, -1, false);
		s->theirs[i] = -1;
	}
	s->is_tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (s->is_tty)
		r = streams_pty(s);
	for (int i = 0; !r && i < 3; i++)
		if (s->theirs[i] < 0 && !(i == 2 && s->is_tty && isatty(STDERR_FILENO)))
			r = streams_pipe(s, i);
	if (!r && s->theirs[2] < 0) {
		s->theirs[2] = fcntl(s->theirs[0], F_DUPFD_CLOEXEC, 0);
		r = s->theirs[2] < 0 ? -errno : 0;
	}
	return r;
}

static void stream_close_in(struct stream *t)
{
	if (t->owns_in)
		fd_close(t->in);
	t->in = -1;
}

static void stream_close_out(struct stream *t)
{
	if (t->owns_out)
		fd_close(t->out);
	t->out = -1;
}

void streams_hand_over(struct streams *s)
{
	for (int i = 0; i < 3; i++)
		s->theirs[i] = fd_close(s->theirs[i]);
}

void streams_deinit(struct streams *s)
{
	streams_hand_over(s);
	for (int i = 0; i < 3; i++) {
		stream_close_in(&s->streams[i]);
		stream_close_out(&s->streams[i]);
	}
	s->master = fd_close(s->master);
}

void streams_resize(struct streams *s)
{
	struct winsize size = term_size(STDOUT_FILENO);

	if (s->master >= 0)
		ioctl(s->master, TIOCSWINSZ, &size);
}

size_t streams_prepare(struct streams *s, struct pollfd *to)
{
	for (size_t i = 0; i < 3; i++) {
		const struct stream *t = &s->streams[i];
		bool is_open = t->in >= 0 && t->out >= 0;

		/* A negative descriptor is left alone by poll. The out side is watched only to
		 * write, or for a reader that went away. */
		to[2 * i] = (struct pollfd){.fd = is_open && !t->n ? t->in : -1, .events = POLLIN};
		to[2 * i + 1] =
			(struct pollfd){.fd = t->out >= 0 && t->n ? t->out : -1, .events = POLLOUT};
	}
	return STREAMS_POLLS;
}

static void stream_end_if_empty(struct stream *t)
{
	if (t->in < 0 && !t->n)
		stream_close_out(t);
}

static bool stream_fill(struct stream *t)
{
	ssize_t n = read(t->in, t->mem, sizeof(t->mem));

	if (n > 0) {
		t->at = 0;
		t->n = (size_t)n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	stream_close_in(t); /* end of file; EIO: the last slave of the pty was closed */
	stream_end_if_empty(t);
	return true;
}

/* POLLOUT promises PIPE_BUF bytes without waiting, no more. */
static bool stream_empty(struct stream *t)
{
	size_t max = t->n < PIPE_BUF || t->owns_out ? t->n : PIPE_BUF;
	ssize_t n = write(t->out, t->mem + t->at, max);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) {
		t->n = 0;
		stream_close_out(t);
		stream_close_in(t); /* the run learns that nobody reads */
		return true;
	}
	t->at += (size_t)n;
	t->n -= (size_t)n;
	stream_end_if_empty(t);
	return true;
}

bool streams_move(struct streams *s, const struct pollfd *polled)
{
	bool has_moved = false;

	for (size_t i = 0; i < 3; i++) {
		struct stream *t = &s->streams[i];

		if (polled[2 * i].fd >= 0 && polled[2 * i].revents && t->in >= 0)
			has_moved |= stream_fill(t);
		if (t->n && t->out >= 0 && (polled[2 * i + 1].revents || t->owns_out))
			has_moved |= stream_empty(t);
	}
	return has_moved;
}

bool streams_is_drained(const struct streams *s)
{
	return s->streams[1].in < 0 && !s->streams[1].n && s->streams[2].in < 0 && !s->streams[2].n;
}
