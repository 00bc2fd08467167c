/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and moving processes: see place.h. */
#include "kern/place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/cgroup.h"
#include "kern/still.h"
#include "util/cleanup.h"

enum {
	PLACE_DEPTH_MAX = 16,
	PLACE_PASSES_MAX = 50, /* over a tree that goes on forking */
	PLACE_ID_MIN = 12,     /* digits that tell one container from another */
	PLACE_ANCESTORS_MAX = 4096,
};

static void place_dir_closep(DIR *const *d)
{
	if (*d)
		closedir(*d);
}

static void place_file_closep(FILE *const *f)
{
	if (*f)
		fclose(*f);
}

static int place_join(char *path, size_t max, const char *a, const char *b)
{
	int n = snprintf(path, max, "%s%s%s", a, *b == '/' ? "" : "/", b);

	return n < 0 || (size_t)n >= max ? err_raise(-ENAMETOOLONG) : 0;
}

/* ---- names ------------------------------------------------------------------------------------
 */

bool place_is_unit(const char *folder, const char *unit)
{
	size_t n = strlen(unit);

	return n && !strncmp(folder, unit, n) && (!folder[n] || !strcmp(folder + n, ".service"));
}

/* docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope, or the id alone. */
bool place_is_container(const char *folder, const char *id)
{
	static const char *const prefixes[] = {
		"docker-", "libpod-", "cri-containerd-", "crio-", "nerdctl-", ""};
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)id[i]))
			return false;
	for (size_t i = 0; n >= PLACE_ID_MIN && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const char *rest = folder + strlen(prefixes[i]);

		if (strncmp(folder, prefixes[i], strlen(prefixes[i])) || strncmp(rest, id, n))
			continue;
		for (rest += n; isxdigit((unsigned char)*rest); rest++)
			;
		if (!*rest || !strcmp(rest, ".scope"))
			return true;
	}
	return false;
}

struct place_search {
	bool (*is_it)(const char *folder, const char *text);
	const char *text;
	struct place_paths *found;
};

static ERR_CHECK int place_add(struct place_paths *paths, const char *path)
{
	char **v = reallocarray(paths->v, paths->n + 1, sizeof(*v));

	if (!v)
		return err_raise(-ENOMEM);
	paths->v = v;
	v[paths->n] = strdup(path);
	if (!v[paths->n])
		return err_raise(-ENOMEM);
	paths->n++;
	return 0;
}

void place_paths_free(struct place_paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		free(paths->v[i]);
	free(paths->v);
	*paths = (struct place_paths){0};
}

/* Below one that matches nothing else is looked for: a unit's groups are the unit's. */
static int place_search(struct place_search *s, const char *at, unsigned depth)
{
	_cleanup_(place_dir_closep) DIR *d = opendir(at);
	const struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : err_raise(-errno);
	while ((e = readdir(d))) {
		char below[PATH_MAX];
		int r;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		r = place_join(below, sizeof(below), at, e->d_name);
		if (!r && s->is_it(e->d_name, s->text)) {
			r = place_add(s->found, below);
		} else if (!r && depth < PLACE_DEPTH_MAX) {
			r = place_search(s, below, depth + 1);
		}
		if (r)
			return r;
	}
	return 0;
}

static int place_find_group(const char *root, const char *text, char *path, size_t max)
{
	size_t n = strlen(root);
	struct stat st;
	int r;

	if (text[0] != '/' || strstr(text, "/.."))
		return PLACE_E_NONE;
	if (!strncmp(text, root, n) && text[n] == '/')
		text += n;
	r = place_join(path, max, root, text);
	if (r)
		return err_trace(r);
	for (size_t end = strlen(path); end > n && path[end - 1] == '/'; end--)
		path[end - 1] = 0;
	if (!path[n]) /* the root: everything there is, ourselves included */
		return PLACE_E_NONE;
	return stat(path, &st) < 0 || !S_ISDIR(st.st_mode) ? PLACE_E_NONE : 0;
}

static int place_find_pid(const char *root, const char *text, char *path, size_t max)
{
	char *end;
	unsigned long pid = strtoul(text, &end, 10);
	int r;

	if (!isdigit((unsigned char)*text) || *end || !pid || pid > INT_MAX)
		return PLACE_E_NONE;
	r = cgroup_of_pid(root, (pid_t)pid, path, max);
	return r == CGROUP_E_NONE ? PLACE_E_NONE : err_trace(r);
}

/* Users make groups below user.slice (systemd's name for theirs); what is not there, and higher up,
 * is likelier to be meant. */
static int place_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	int of_user = !!strstr(*x, "/user.slice/") - !!strstr(*y, "/user.slice/"), depth = 0;

	for (const char *at = *x; *at; at++)
		depth += *at == '/';
	for (const char *at = *y; *at; at++)
		depth -= *at == '/';
	return of_user ? of_user : depth ? depth : strcmp(*x, *y);
}

int place_find_all(
	const char *root, enum place_kind kind, const char *text, struct place_paths *ret)
{
	struct place_search s = {.text = text, .found = ret};
	char path[PATH_MAX];
	int r = PLACE_E_NONE;

	*ret = (struct place_paths){0};
	switch (kind) {
	case PLACE_PID:
		r = place_find_pid(root, text, path, sizeof(path));
		break;
	case PLACE_CGROUP:
		r = place_find_group(root, text, path, sizeof(path));
		break;
	case PLACE_UNIT:
		s.is_it = place_is_unit;
		break;
	case PLACE_CONTAINER:
		s.is_it = place_is_container;
		break;
	}
	if (s.is_it)
		r = place_search(&s, root, 0);
	else if (!r)
		r = place_add(ret, path);
	if (r)
		return r == PLACE_E_NONE ? 0 : err_trace(r);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), place_compare);
	return 0;
}

int place_find(const char *root, enum place_kind kind, const char *text, char *path, size_t max)
{
	_cleanup_(place_paths_free) struct place_paths found;
	int r = place_find_all(root, kind, text, &found);

	if (r)
		return err_trace(r);
	if (found.n && snprintf(path, max, "%s", found.v[0]) >= (int)max)
		return err_raise(-ENAMETOOLONG);
	return found.n == 1 ? 0 : found.n ? PLACE_E_AMBIGUOUS : PLACE_E_NONE;
}

/* ---- processes --------------------------------------------------------------------------------
 */

/* Calls fn for each process of the group and, if asked, of those below it; stops at what fn returns
 * but 0. */
static int place_each(
	const char *path, bool is_deep, unsigned depth, int (*fn)(void *arg, pid_t pid), void *arg)
{
	_cleanup_(place_dir_closep) DIR *d = NULL;
	_cleanup_(place_file_closep) FILE *f = NULL;
	char at[PATH_MAX];
	const struct dirent *e;
	int pid, r = place_join(at, sizeof(at), path, "cgroup.procs");

	f = r ? NULL : fopen(at, "re");
	if (!f)
		return errno == ENOENT || errno == ENODEV ? 0 : err_raise(-errno);
	while (!r && fscanf(f, "%d", &pid) == 1)
		r = pid > 0 ? fn(arg, pid) : 0; /* 0: of another pid namespace */
	d = is_deep && !r && depth < PLACE_DEPTH_MAX ? opendir(path) : NULL;
	while (!r && d && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		r = place_join(at, sizeof(at), path, e->d_name);
		if (!r)
			r = place_each(at, true, depth + 1, fn, arg);
	}
	return r;
}

int place_each_process(const char *path, int (*fn)(void *arg, pid_t pid), void *arg)
{
	return place_each(path, true, 0, fn, arg);
}

struct place_move {
	const char *to;
	unsigned n, n_pass;
};

static int place_move_one(void *arg, pid_t pid)
{
	struct place_move *m = arg;
	int r = cgroup_move(m->to, pid);

	if (!r) {
		m->n++;
		m->n_pass++;
	}
	/* It ended; or it is a kernel's thread, which has no sockets. */
	return r == -ESRCH || r == -EINVAL ? 0 : r ? err_trace(r) : 0;
}

static ERR_CHECK int place_freeze(const char *path, bool is_frozen)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_raise(-errno) : err_trace(cgroup_freeze(fd, is_frozen));
}

int place_move_group(const char *path, const char *to, unsigned *ret_n)
{
	struct place_move m = {.to = to};
	int r = place_freeze(path, true), thaw;

	*ret_n = 0;
	if (r)
		return err_trace(r);
	/* Freezing takes effect soon, not at once: until nobody new is there. */
	for (unsigned pass = 0; !r && pass < PLACE_PASSES_MAX; pass++) {
		m.n_pass = 0;
		r = place_each(path, true, 0, place_move_one, &m);
		if (!m.n_pass)
			break;
	}
	thaw = place_freeze(path, false);
	*ret_n = m.n;
	return r ? err_trace(r) : err_trace(thaw);
}

/* 0: there is none, or it cannot be told. */
static pid_t place_parent(pid_t pid)
{
	char path[48], text[512];
	_cleanup_(fd_closep) int fd = -1;
	const char *end;
	ssize_t n;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')'); /* the name before it may hold anything */
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

bool place_is_below(pid_t descendant, pid_t pid)
{
	for (unsigned i = 0; descendant > 0 && i < PLACE_ANCESTORS_MAX; i++) {
		if (descendant == pid)
			return true;
		descendant = place_parent(descendant);
	}
	return false;
}

/* Calls fn for the process and each of its descendants; stops at what fn returns but 0. */
static int place_each_below(pid_t pid, int (*fn)(void *arg, pid_t pid), void *arg)
{
	_cleanup_(place_dir_closep) DIR *proc = opendir("/proc");
	const struct dirent *e;

	if (!proc)
		return err_raise(-errno);
	while ((e = readdir(proc))) {
		pid_t one = isdigit((unsigned char)e->d_name[0])
				    ? (pid_t)strtol(e->d_name, NULL, 10)
				    : 0;
		int r = one && place_is_below(one, pid) ? fn(arg, one) : 0;

		if (r)
			return err_trace(r);
	}
	return 0;
}

struct place_stilling {
	struct still *still;
	const char *root, *to;
	char own[PATH_MAX];
};

static int place_still_one(void *arg, pid_t pid)
{
	struct place_stilling *p = arg;
	char path[PATH_MAX];
	int r = cgroup_of_pid(p->root, pid, path, sizeof(path));

	if (r)
		return r == CGROUP_E_NONE ? 0 : err_trace(r);
	if (!strcmp(path, p->to))
		return 0;
	/* Ourselves above all. */
	if (!strncmp(p->own, path, strlen(path)))
		p->still->is_loose = true;
	else
		still_add(p->still, path);
	return 0;
}

/* All groups that the tree is in; those that it went to before all stood still, too. */
static int place_still_tree(const char *root, pid_t pid, const char *to, struct still *still)
{
	struct place_stilling p = {.still = still, .root = root, .to = to};
	int r = cgroup_of_pid(root, getpid(), p.own, sizeof(p.own));
	unsigned before;

	if (r)
		return r < 0 ? err_trace(r) : err_fold(r);
	do {
		before = still->n;
		r = place_each_below(pid, place_still_one, &p);
		if (!r)
			still_wait(still);
	} while (!r && still->n > before);
	return r;
}

int place_move_tree(
	const char *root, pid_t pid, const char *to, unsigned *ret_n, bool *ret_is_loose)
{
	struct still *still = calloc(1, sizeof(*still));
	unsigned before = 0;
	int r;

	*ret_n = 0;
	if (!still)
		return err_raise(-ENOMEM);
	r = place_still_tree(root, pid, to, still);
	/* Children of those that were moved are born inside. Two passes that find as many are one
	 * in which nobody was born outside. */
	for (unsigned pass = 0; !r && pass < PLACE_PASSES_MAX; pass++) {
		struct place_move m = {.to = to};

		r = place_each_below(pid, place_move_one, &m);
		*ret_n = m.n;
		if (pass && m.n <= before)
			break;
		before = m.n;
	}
	*ret_is_loose = still->is_loose;
	still_end(still);
	free(still);
	return r ? err_trace(r) : 0;
}

static int place_look(void *arg, pid_t pid)
{
	struct place_census *c = arg;
	char path[48], line[256], ours[64] = "", theirs[64] = "";
	_cleanup_(place_file_closep) FILE *f = NULL;
	unsigned long long caps = 0;

	c->n++;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "CapPrm:", 7))
			caps = strtoull(line + 7, NULL, 16);
		else if (!strncmp(line, "Uid:", 4) && strtoul(line + 4, NULL, 10))
			c->uid = (uid_t)strtoul(line + 4, NULL, 10);
	}
	c->n_powerful += caps != 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
		readlink("/proc/self/ns/net", ours, sizeof(ours) - 1) > 0)
		c->n_other_netns += strcmp(ours, theirs) != 0;
	return 0;
}

int place_count(const char *path, struct place_census *ret)
{
	int r;

	*ret = (struct place_census){0};
	r = place_each(path, true, 0, place_look, ret);
	return r ? err_trace(r) : 0;
}

struct place_netting {
	struct place_nets *nets;
	uint64_t ours;
};

static int place_net_of(void *arg, pid_t pid)
{
	struct place_netting *p = arg;
	struct place_nets *nets = p->nets;
	_cleanup_(fd_closep) int fd = -1;
	struct stat st;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino == p->ours)
		return 0; /* it ended; or it is at home */
	for (unsigned i = 0; i < nets->n; i++)
		if (nets->v[i].inode == st.st_ino)
			return 0;
	if (nets->n == PLACE_NETS_MAX) {
		nets->n_more++;
		return 0;
	}
	nets->v[nets->n].fd = TAKE_FD(fd);
	nets->v[nets->n++].inode = st.st_ino;
	return 0;
}

int place_nets(const char *path, struct place_nets *ret)
{
	struct place_netting p = {.nets = ret};
	struct stat st;

	*ret = (struct place_nets){0};
	if (stat("/proc/self/ns/net", &st) < 0)
		return err_raise(-errno);
	p.ours = st.st_ino;
	return err_trace(place_each(path, true, 0, place_net_of, &p));
}

void place_nets_close(struct place_nets *nets)
{
	for (unsigned i = 0; i < nets->n; i++)
		fd_close(nets->v[i].fd);
	nets->n = 0;
}
