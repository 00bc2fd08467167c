/* SPDX-License-Identifier: Apache-2.0 */
/* The warden signs checkpoints: see signer.h. */
#include "daemon/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "priv/channel.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* How often the anchor hears of a new head. */
#define ANCHOR_NS (60 * CLOCK_NS_PER_S)
enum { ANCHOR_SECS_MAX = 30 };
/* Questions of one turn, each of which may take two writes to the disk; an honest scribe has two in
 * a second. And more than the channel holds. */
enum { SIGNER_TURN = 4, SIGNER_QUEUE = 1024 };
/* No honest number comes near it. */
#define SIGNER_NUMBER_MAX (UINT64_C(1) << 48)

/* Does the file say, in our own hand, that nothing is behind the last head? */
static bool signer_read_stopped(const struct signer *s)
{
	struct checkpoint c;

	return s->last.number && !checkpoint_read_file(s->head_path, CHECKPOINT_STOPPED, &c) &&
	       !checkpoint_verify(s->key, &c) && c.number == s->last.number &&
	       c.entry == s->last.entry && !memcmp(c.head, s->last.head, sizeof(c.head));
}

int signer_init(struct signer *s, const struct config *c)
{
	char key[1100], public_key[1100];
	int r;

	*s = (struct signer){.anchor = c->anchor,
		.anchor_command = c->anchor_command,
		.retention_age_ns = c->retention_age_ns,
		.retention_size = c->retention_size,
		.fds = {-1, -1}};
	snprintf(key, sizeof(key), "%s/" SIGNER_KEY, c->keys);
	snprintf(public_key, sizeof(public_key), "%s/" SIGNER_PUBLIC, c->keys);
	snprintf(s->head_path, sizeof(s->head_path), "%s/" SIGNER_HEAD, c->keys);
	r = checkpoint_key_load(key, public_key, &s->key);
	if (r)
		return err_trace(r);
	r = checkpoint_read_file(s->head_path, CHECKPOINT_HEAD, &s->last);
	if (r == CHECKPOINT_E_BAD)
		log_error("signer", "%s: not what we wrote", s->head_path);
	if (r < 0)
		return err_trace(r);
	if (r)
		s->last = (struct checkpoint){0};
	s->is_stopped = signer_read_stopped(s);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s->fds) < 0)
		return err_raise(-errno);
	return 0;
}

/* ---- keeping ---- */

static void signer_line(const struct checkpoint *c, char line[CHECKPOINT_LINE_MAX + 2])
{
	char text[CHECKPOINT_LINE_MAX];

	checkpoint_print(c, text);
	snprintf(line, CHECKPOINT_LINE_MAX + 2, "%s\n", text);
}

/* A new file in the place of the old one, and on the disk: whoever reads sees a whole line, and no
 * power failure brings back one whose number would be given a second time. */
static int signer_keep(const struct signer *s, const struct checkpoint *c)
{
	char path[sizeof(s->head_path) + 8], folder[sizeof(s->head_path)];
	char line[CHECKPOINT_LINE_MAX + 2];
	_cleanup_(fd_closep) int fd = -1;
	_cleanup_(fd_closep) int dir = -1;
	size_t n;

	signer_line(c, line);
	n = strlen(line);
	snprintf(path, sizeof(path), "%s.new", s->head_path);
	snprintf(folder, sizeof(folder), "%s", s->head_path);
	dir = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (dir < 0 || fd < 0 || write(fd, line, n) != (ssize_t)n || fdatasync(fd) < 0 ||
		rename(path, s->head_path) < 0 || fsync(dir) < 0)
		return err_raise(errno ? -errno : -EIO);
	return 0;
}

/* A second line, in place: who reads only the first is not concerned. */
static int signer_keep_stopped(const struct signer *s)
{
	_cleanup_(fd_closep) int fd =
		open(s->head_path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	struct checkpoint c = s->last;
	char line[CHECKPOINT_LINE_MAX + 2];
	int r;

	c.kind = CHECKPOINT_STOPPED;
	r = checkpoint_sign(s->key, &c);
	if (r)
		return err_trace(r);
	signer_line(&c, line);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) || fsync(fd) < 0)
		return err_raise(errno ? -errno : -EIO);
	return 0;
}

/* Takes it away again, which needs no room on the disk, and is on it before anything is written to
 * the ledger: else an end that was not good would look like tampering. 0, < 0. */
static int signer_drop_stopped(const struct signer *s)
{
	_cleanup_(fd_closep) int fd = open(s->head_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	char line[CHECKPOINT_LINE_MAX + 1] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : err_raise(-errno);
	if (ftruncate(fd, (off_t)strcspn(line, "\n") + 1) < 0 || fsync(fd) < 0)
		return err_raise(-errno);
	return 0;
}

static void signer_append(const struct signer *s, const char *line)
{
	_cleanup_(fd_closep) int fd =
		open(s->anchor, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t n = strlen(line);

	if (fd < 0 || write(fd, line, n) != (ssize_t)n)
		log_error("anchor", "%s: %s", s->anchor, strerror(errno));
}

/* The command's process: the line on its stdin, our environment, a time limit. */
static void signer_exec(const struct signer *s, int in)
{
	dup2(in, STDIN_FILENO);
	alarm(ANCHOR_SECS_MAX);
	execl("/bin/sh", "sh", "-c", s->anchor_command, (char *)NULL);
	_exit(127);
}

/* Twice forked, so that nobody has to wait for it. */
static void signer_command(const struct signer *s, const char *line)
{
	int in[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return;
	/* Shorter than a pipe holds: this does not wait. */
	if (write(in[1], line, strlen(line)) < 0)
		log_error("anchor", "pipe: errno=%d", errno);
	close(in[1]);
	pid = fork();
	if (!pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (!fork())
			signer_exec(s, in[0]);
		_exit(0);
	}
	close(in[0]);
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		log_error("anchor", "command: errno=%d", errno);
}

static void signer_anchor(struct signer *s)
{
	char line[CHECKPOINT_LINE_MAX + 2];

	signer_line(&s->last, line);
	if (s->anchor)
		signer_append(s, line);
	if (s->anchor_command)
		signer_command(s, line);
	s->anchored_ns = clock_mono_ns();
	s->is_anchor_due = false;
}

void signer_finish(struct signer *s)
{
	if (s->is_stopped && signer_keep_stopped(s))
		log_error("signer", "%s cannot be written", s->head_path);
	if (s->is_anchor_due)
		signer_anchor(s);
}

/* ---- answering ---- */

/* Signs; the number 0 in what is answered says that it could not. */
static void signer_sign(struct signer *s, struct checkpoint *c)
{
	bool is_of_last = !memcmp(c->ledger, s->last.ledger, sizeof(c->ledger));

	/* Asked for once more, because the answer was late: a second number would be a hole. */
	if (is_of_last && c->entry == s->last.entry &&
		!memcmp(c->head, s->last.head, sizeof(c->head))) {
		*c = s->last;
		return;
	}
	c->number = (s->last.number > s->taken ? s->last.number : s->taken) + 1;
	c->at_ns = clock_wall_ns();
	/* A ledger that does not grow was cut. The scribe says so in it; the gap that this leaves
	 * in its numbers shows it for ever. */
	if (is_of_last && c->entry <= s->last.entry)
		log_error("signer", "the ledger is shorter than what was signed: entry=%llu < %llu",
			(unsigned long long)c->entry, (unsigned long long)s->last.entry);
	if (checkpoint_sign(s->key, c)) {
		c->number = 0;
		return;
	}
	/* What was not kept was never signed: else its number would be given again. */
	if (signer_keep(s, c)) {
		log_error("signer", "%s cannot be written", s->head_path);
		c->number = 0;
		return;
	}
	s->last = *c;
	s->is_stopped = false;
	s->is_anchor_due = s->anchor || s->anchor_command;
	if (s->is_anchor_due && (!s->anchored_ns || clock_mono_ns() - s->anchored_ns > ANCHOR_NS))
		signer_anchor(s);
}

/* May be removed what a checkpoint of that time covers? As the configuration has it; how large the
 * ledger is only the scribe can say. */
static bool signer_may_go(const struct signer *s, int64_t at_ns)
{
	int64_t age_ns = clock_wall_ns() - at_ns;

	return (s->retention_age_ns && age_ns > s->retention_age_ns) ||
	       (s->retention_size && age_ns > LEDGER_YOUNG_NS);
}

/* Turns a checkpoint of ours into our word that what it covers may go; the number 0 says no. Its
 * time is believed because we signed it. */
static void signer_permit(const struct signer *s, struct checkpoint *c)
{
	bool is_ours = c->number && !checkpoint_verify(s->key, c) &&
		       !memcmp(c->ledger, s->last.ledger, sizeof(c->ledger)) &&
		       c->number < s->last.number;

	if (!is_ours || !signer_may_go(s, c->at_ns)) {
		log_error("signer", "%s that what checkpoint %llu covers may go is not signed",
			is_ours ? "too young:" : "no checkpoint of ours:",
			(unsigned long long)c->number);
		c->number = 0;
		return;
	}
	c->kind = CHECKPOINT_PRUNED;
	c->at_ns = clock_wall_ns();
	if (checkpoint_sign(s->key, c))
		c->number = 0;
}

/* A scribe says that it writes no more. If that is not the head signed last, it is not so. */
static void signer_seal(struct signer *s, const struct checkpoint *c)
{
	s->is_stopped = s->last.number && c->entry == s->last.entry &&
			!memcmp(c->ledger, s->last.ledger, sizeof(c->ledger)) &&
			!memcmp(c->head, s->last.head, sizeof(c->head));
}

/* What a scribe has found in its ledger, when it begins. */
static void signer_newest(struct signer *s, struct checkpoint *c)
{
	bool is_newer = c->number > s->last.number && c->number < SIGNER_NUMBER_MAX;

	if (is_newer && !checkpoint_verify(s->key, c)) {
		log_error("signer", "%s: older than the ledger; it goes on from checkpoint %llu",
			s->head_path, (unsigned long long)c->number);
		s->last = *c;
		if (signer_keep(s, c))
			log_error("signer", "%s cannot be written", s->head_path);
	} else if (is_newer) {
		log_error("signer", "checkpoint %llu of the ledger was signed by another key",
			(unsigned long long)c->number);
		s->taken = c->number;
	}
	*c = s->last;
}

/* One question; false: there is none. */
static bool signer_answer(struct signer *s)
{
	struct channel_message m;
	int fd, r = channel_receive(s->fds[SIGNER_WARDEN], CHANNEL_IN_SIGNER, &m, &fd);

	if (r == CHANNEL_E_BAD)
		log_error("channel", "the scribe said what it may not say; it is not answered");
	if (r == CHANNEL_E_BAD)
		return true;
	if (r)
		return false;
	if (m.type == CHANNEL_SEALED) {
		signer_seal(s, &m.checkpoint);
		return true;
	}
	m.checkpoint.kind = CHECKPOINT_HEAD;
	if (m.type == CHANNEL_PRUNE) {
		signer_permit(s, &m.checkpoint);
		m.type = CHANNEL_PRUNABLE;
	} else if (m.type == CHANNEL_NEWEST) {
		signer_newest(s, &m.checkpoint);
		m.type = CHANNEL_KEPT;
	} else {
		signer_sign(s, &m.checkpoint);
		m.type = CHANNEL_SIGNED;
	}
	if (channel_send(s->fds[SIGNER_WARDEN], &m, -1))
		log_warn("channel", "the scribe takes no signature");
	return true;
}

static void signer_answer_some(struct signer *s, unsigned n)
{
	while (n-- && signer_answer(s))
		continue;
}

/* A scribe that asks without end, as it never should, gets a share of the warden and no more. */
static void signer_on_channel(struct loop_source *src, uint32_t events)
{
	(void)events;
	signer_answer_some(src->owner, SIGNER_TURN);
}

int signer_watch(struct signer *s, struct loop *loop)
{
	s->src = (struct loop_source){
		.fd = s->fds[SIGNER_WARDEN], .fn = signer_on_channel, .owner = s};
	return err_trace(loop_watch(loop, &s->src, EPOLLIN));
}

bool signer_attend(struct signer *s, int fd, int timeout_ms)
{
	int64_t deadline = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;

	for (;;) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			{.fd = s->fds[SIGNER_WARDEN], .events = POLLIN}};
		int64_t left_ms = (deadline - clock_mono_ns()) / CLOCK_NS_PER_MS;

		if (left_ms <= 0 || poll(fds, 2, (int)left_ms) <= 0)
			return false;
		signer_answer_some(s, fds[0].revents ? SIGNER_QUEUE : SIGNER_TURN);
		if (fds[0].revents)
			return true;
	}
}

int signer_begin(struct signer *s)
{
	/* What a scribe that is gone still said. */
	signer_answer_some(s, SIGNER_QUEUE);
	s->was_stopped = s->is_stopped;
	s->is_stopped = false;
	return err_trace(signer_drop_stopped(s));
}

/* ---- the scribe's end ---- */

static bool signer_ask(
	const struct scribe_signer *s, enum scribe_word word, const struct checkpoint *c)
{
	static const enum channel_type types[SCRIBE_WORDS] = {
		[SCRIBE_SIGN] = CHANNEL_SIGN,
		[SCRIBE_PRUNE] = CHANNEL_PRUNE,
		[SCRIBE_SEALED] = CHANNEL_SEALED,
		[SCRIBE_NEWEST] = CHANNEL_NEWEST,
	};
	const struct channel_message m = {.type = types[word], .checkpoint = *c};

	return !channel_send(s->fd, &m, -1);
}

static bool signer_take(
	const struct scribe_signer *s, enum scribe_word *ret_word, struct checkpoint *ret)
{
	struct channel_message m;
	int fd;

	if (channel_receive(s->fd, CHANNEL_IN_SCRIBE, &m, &fd))
		return false;
	*ret = m.checkpoint;
	*ret_word = m.type == CHANNEL_PRUNABLE ? SCRIBE_PRUNE
		    : m.type == CHANNEL_KEPT   ? SCRIBE_NEWEST
					       : SCRIBE_SIGN;
	return true;
}

struct scribe_signer signer_of_scribe(const struct signer *s)
{
	return (struct scribe_signer){.fd = s->fds[SIGNER_SCRIBE],
		.ask = signer_ask,
		.answer = signer_take,
		.last = s->last,
		.is_stopped = s->was_stopped};
}
