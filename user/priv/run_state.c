/* SPDX-License-Identifier: Apache-2.0 */
/* Files of runs: see run_state.h. */
#include "priv/run_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/log.h"

enum { STATE_TEXT_MAX = 4096, STATE_PATH_MAX = 4096 };

static void state_closedirp(DIR *const *d)
{
	if (*d)
		closedir(*d);
}

/* Opens <state_dir>/runs, making it if asked to. */
static int state_open_dir(const char *state_dir, bool may_make)
{
	char path[STATE_PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/runs", state_dir) >= (int)sizeof(path))
		return err_raise(-ENAMETOOLONG);
	if (may_make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_raise(-errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A value is one line: control characters become spaces. */
static void state_put(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=", key);
	for (; *value; value++)
		fputc((unsigned char)*value < 0x20 || *value == 0x7f ? ' ' : *value, f);
	fputc('\n', f);
}

static int state_print(FILE *f, const struct run_state *s)
{
	fprintf(f, "id=%" PRIu64 "\ncgroup=%" PRIu64 "\nuid=%u\nowner_uid=%u\nhas_home=%d\n", s->id,
		s->cgroup, s->uid, s->owner_uid, s->has_home);
	state_put(f, "name", s->name);
	state_put(f, "command", s->command);
	state_put(f, "degraded", s->degraded);
	if (*s->from) {
		fprintf(f, "is_cut=%d\n", s->is_cut);
		state_put(f, "from", s->from);
	}
	if (*s->netns)
		state_put(f, "netns", s->netns);
	fprintf(f, "end=1\n");
	return ferror(f) ? -EIO : 0;
}

int run_state_write(const char *state_dir, const struct run_state *state)
{
	_cleanup_(fd_closep) int dir = state_open_dir(state_dir, true);
	char name[32], temp[40];
	FILE *f;
	int fd, r;

	if (dir < 0)
		return err_trace(dir);
	snprintf(name, sizeof(name), "%" PRIu64, state->id);
	snprintf(temp, sizeof(temp), ".%s", name);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_raise(-errno);
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return err_raise(-ENOMEM);
	}
	r = state_print(f, state);
	if (fclose(f) && !r)
		r = -errno;
	if (!r && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r)
		unlinkat(dir, temp, 0);
	return r ? err_raise(r) : 0;
}

int run_state_remove(const char *state_dir, uint64_t id)
{
	_cleanup_(fd_closep) int dir = state_open_dir(state_dir, false);
	char name[32];

	if (dir < 0)
		return dir == -ENOENT ? 0 : err_raise(dir);
	snprintf(name, sizeof(name), "%" PRIu64, id);
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? err_raise(-errno) : 0;
}

static bool state_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret <= max;
}

/* One line. Returns the bit of its key, 0 if it makes no sense. */
static unsigned state_line(struct run_state *s, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *text;
		size_t max;
	} texts[] = {{"name", s->name, sizeof(s->name)},
		{"command", s->command, sizeof(s->command)},
		{"degraded", s->degraded, sizeof(s->degraded)}, {"from", s->from, sizeof(s->from)},
		{"netns", s->netns, sizeof(s->netns)}};
	static const struct {
		const char *key;
		uint64_t max;
	} numbers[] = {{"id", UINT64_MAX}, {"cgroup", UINT64_MAX}, {"uid", UINT32_MAX},
		{"owner_uid", UINT32_MAX}, {"has_home", 1}, {"end", 1}, {"is_cut", 1}};
	uint64_t *const wide[] = {&s->id, &s->cgroup};
	uint64_t v;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(key, texts[i].key)) {
			snprintf(texts[i].text, texts[i].max, "%s", value);
			return 1u << (8 + i); /* 0x100 and on */
		}
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(key, numbers[i].key))
			continue;
		if (!state_number(value, numbers[i].max, &v))
			return 0;
		if (i < 2)
			*wide[i] = v;
		else if (i < 4)
			*(i == 2 ? &s->uid : &s->owner_uid) = (uid_t)v;
		else if (i == 4)
			s->has_home = v;
		else if (i == 6)
			s->is_cut = v;
		return 1u << i;
	}
	return 0;
}

int run_state_parse(struct slice text, struct run_state *ret)
{
	const unsigned all = 0x73f, optional = 0x1840; /* every key once; from, netns, is_cut */
	char copy[STATE_TEXT_MAX], *rest = copy, *line;
	unsigned seen = 0;

	*ret = (struct run_state){0};
	if (text.n >= sizeof(copy) || (text.n && memchr(text.p, 0, text.n)))
		return RUN_STATE_E_BROKEN;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	while ((line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');
		unsigned bit;

		if (!*line && !rest)
			break;
		if (!value)
			return RUN_STATE_E_BROKEN;
		*value++ = 0;
		bit = state_line(ret, line, value);
		if (!bit || seen & bit)
			return RUN_STATE_E_BROKEN;
		seen |= bit;
	}
	return (seen & ~optional) == all && ret->id ? 0 : RUN_STATE_E_BROKEN;
}

static int state_read(int dir, const char *name, struct run_state *ret)
{
	_cleanup_(fd_closep) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[STATE_TEXT_MAX];
	uint64_t id;
	ssize_t n;
	int r;

	if (fd < 0)
		return errno == ENOENT ? RUN_STATE_E_BROKEN : err_raise(-errno);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return err_raise(-errno);
	r = run_state_parse(slice_of(text, (size_t)n), ret);
	if (r)
		return r;
	return state_number(name, UINT64_MAX, &id) && id == ret->id ? 0 : RUN_STATE_E_BROKEN;
}

int run_state_each(
	const char *state_dir, int (*fn)(void *arg, const struct run_state *state), void *arg)
{
	_cleanup_(state_closedirp) DIR *dir = NULL;
	const struct dirent *e;
	int fd = state_open_dir(state_dir, false), r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : err_raise(fd);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_raise(-ENOMEM);
	}
	while ((e = readdir(dir))) {
		struct run_state state;

		if (e->d_name[0] == '.')
			continue;
		r = state_read(fd, e->d_name, &state);
		if (r < 0)
			return err_trace(r);
		if (r == RUN_STATE_E_BROKEN) {
			log_error(
				"run.state", "file=\"%s/runs/%s\" broken=1", state_dir, e->d_name);
			continue;
		}
		r = fn(arg, &state);
		if (r)
			return r;
	}
	return 0;
}
