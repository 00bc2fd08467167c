/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/pin.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define PIN_STR_(x) #x
#define PIN_STR(x)  PIN_STR_(x)
#define PIN_DIR     "abi" PIN_STR(HOLDFAST_ABI)

enum { PIN_PATH_MAX = PATH_MAX };

static void pin_dir_closep(DIR **d)
{
	if (*d)
		closedir(*d);
}

static ERR_CHECK int pin_path(char *path, const char *dir, const char *prefix, const char *name)
{
	int n = snprintf(path, PIN_PATH_MAX, "%s/%s%s", dir, prefix, name);

	return n < 0 || n >= PIN_PATH_MAX ? err_raise(-ENAMETOOLONG) : 0;
}

static bool pin_is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* A mount in a private namespace dies with its last process, and with it every pin: kill -9 would
 * open the gate. Where pid 1's namespace cannot be read, we have no better knowledge. */
static bool pin_is_mount_private(void)
{
	char ours[64], first[64];
	ssize_t n = readlink("/proc/self/ns/mnt", ours, sizeof(ours));
	ssize_t m = readlink("/proc/1/ns/mnt", first, sizeof(first));

	return n > 0 && m > 0 && (n != m || memcmp(ours, first, (size_t)n));
}

int pin_mount(const char *bpffs, const char **ret_what)
{
	if (mkdir(bpffs, 0700) && errno != EEXIST)
		return err_raise(-errno);
	if (pin_is_bpffs(bpffs))
		return 0;
	if (pin_is_mount_private()) {
		*ret_what = "a bpffs mounted from a private mount namespace would vanish with the "
			    "daemon, and the hooks with it; mount one on the host beforehand";
		return KERN_E_MISSING;
	}
	if (mount("bpf", bpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
		*ret_what = errno == ENODEV ? "the kernel has no bpffs (CONFIG_BPF_SYSCALL)"
					    : "a bpffs could not be mounted; are we root?";
		log_warn("kern.bpffs", "path=%s errno=%d", bpffs, errno);
		return KERN_E_MISSING;
	}
	return 0;
}

int pin_make_dir(const char *bpffs, char *dir, size_t max)
{
	int n = snprintf(dir, max, "%s/%s", bpffs, PIN_DIR);

	if (n < 0 || (size_t)n >= max)
		return err_raise(-ENAMETOOLONG);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_raise(-errno);
	return 0;
}

/* What a link descriptor is, to us. */
static ERR_CHECK int pin_info(int fd, struct bpf_link_info *ret)
{
	uint32_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	if (bpf_obj_get_info_by_fd(fd, ret, &len))
		return err_raise(-errno);
	return 0;
}

/*
 * Does a cgroup of this id still exist? A removed one keeps its hooks for as long as a socket of it
 * lives, so what the link says is not enough; a file handle leads to folders that are there.
 */
static bool pin_has_cgroup(int cgroup2_fd, uint64_t id)
{
	enum { FILEID_KERNFS = 0xfe };
	union {
		struct file_handle head;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h = {.head = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	_cleanup_(fd_closep) int fd = -1;

	if (!id)
		return false;
	memcpy(h.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(cgroup2_fd, &h.head, O_PATH | O_CLOEXEC);
	return fd >= 0 || errno != ESTALE; /* not proved gone: there */
}

static enum pin_state pin_state_of(
	const struct bpf_link_info *info, enum layer layer, uint64_t cgroup, int cgroup2_fd)
{
	if (info->type != BPF_LINK_TYPE_CGROUP)
		return PIN_FOREIGN;
	if (info->cgroup.cgroup_id == cgroup &&
		info->cgroup.attach_type == layer_hooks[layer].attach)
		return PIN_OURS;
	return pin_has_cgroup(cgroup2_fd, info->cgroup.cgroup_id) ? PIN_FOREIGN : PIN_DEAD;
}

int pin_open_link(
	const char *dir, enum layer layer, uint64_t cgroup, int cgroup2_fd, struct pin_link *ret)
{
	_cleanup_(fd_closep) int fd = -1;
	struct bpf_link_info info;
	char path[PIN_PATH_MAX];
	int r = pin_path(path, dir, "link_", layer_hooks[layer].name);

	*ret = (struct pin_link){.state = PIN_NONE, .fd = -1};
	if (r)
		return err_trace(r);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_raise(-errno);
	r = pin_info(fd, &info);
	if (r)
		return err_trace(r);
	ret->state = pin_state_of(&info, layer, cgroup, cgroup2_fd);
	ret->link_id = info.id;
	ret->prog_id = info.prog_id;
	ret->fd = TAKE_FD(fd);
	return 0;
}

int pin_link_fd(const char *dir, enum layer layer, int link_fd)
{
	char path[PIN_PATH_MAX];
	int r = pin_path(path, dir, "link_", layer_hooks[layer].name);

	if (r)
		return err_trace(r);
	return bpf_obj_pin(link_fd, path) ? err_raise(-errno) : 0;
}

/* Unlinking alone would leave the hook for as long as another process holds the link. */
static void pin_detach_at(const char *path)
{
	_cleanup_(fd_closep) int fd = bpf_obj_get(path);

	if (fd >= 0 && bpf_link_detach(fd))
		log_debug("kern.detach", "path=%s errno=%d", path, errno);
}

int pin_forget_link(const char *dir, enum layer layer)
{
	char path[PIN_PATH_MAX];
	int r = pin_path(path, dir, "link_", layer_hooks[layer].name);

	if (r)
		return err_trace(r);
	return unlink(path) && errno != ENOENT ? err_raise(-errno) : 0;
}

int pin_remove_link(const char *dir, enum layer layer)
{
	char path[PIN_PATH_MAX];
	int r = pin_path(path, dir, "link_", layer_hooks[layer].name);

	if (r)
		return err_trace(r);
	pin_detach_at(path);
	return unlink(path) && errno != ENOENT ? err_raise(-errno) : 0;
}

int pin_open_map_readonly(const char *dir, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	char path[PIN_PATH_MAX];
	int fd, r = pin_path(path, dir, "map_", name);

	if (r)
		return err_trace(r);
	fd = bpf_obj_get_opts(path, &opts);
	return fd < 0 ? err_raise(-errno) : fd;
}

/* What the folder's hooks are attached to, of what exists: our groups, others. */
struct pin_dir_state {
	bool is_ours, is_foreign, has_unix;
};

/* "link_" and one of the hooks of unix sockets. */
static bool pin_is_unix(const char *name)
{
	for (int l = 0; l < LAYER_N; l++)
		if ((LAYER_UNIX & LAYER_BIT(l)) && !strcmp(name + 5, layer_hooks[l].name))
			return true;
	return false;
}

static ERR_CHECK int pin_look_at_dir(
	const char *dir, const struct pin_owner *owner, struct pin_dir_state *ret)
{
	_cleanup_(pin_dir_closep) DIR *d = opendir(dir);
	const struct dirent *e;

	*ret = (struct pin_dir_state){false};
	if (!d)
		return err_raise(-errno);
	while ((e = readdir(d))) {
		_cleanup_(fd_closep) int fd = -1;
		struct bpf_link_info info;
		char path[PIN_PATH_MAX];

		if (strncmp(e->d_name, "link_", 5))
			continue;
		if (pin_path(path, dir, "", e->d_name))
			return err_raise(-ENAMETOOLONG);
		fd = bpf_obj_get(path);
		if (fd < 0 || pin_info(fd, &info))
			continue;
		if (info.cgroup.cgroup_id == owner->runs ||
			info.cgroup.cgroup_id == owner->daemon) {
			ret->is_ours = true;
			ret->has_unix |= pin_is_unix(e->d_name);
		} else if (pin_has_cgroup(owner->cgroup2_fd, info.cgroup.cgroup_id))
			ret->is_foreign = true;
	}
	return 0;
}

static bool pin_is_backstop(const char *name)
{
	return !strcmp(name, "link_egress") || !strcmp(name, "link_ingress");
}

/* Removes pins whose name begins so; the backstop only when told. */
static ERR_CHECK int pin_clear(const char *dir, const char *prefix, bool has_backstop)
{
	_cleanup_(pin_dir_closep) DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return err_raise(-errno);
	while ((e = readdir(d))) {
		char path[PIN_PATH_MAX];

		if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		if (!has_backstop && pin_is_backstop(e->d_name))
			continue;
		if (pin_path(path, dir, "", e->d_name))
			return err_raise(-ENAMETOOLONG);
		if (!strncmp(e->d_name, "link_", 5))
			pin_detach_at(path);
		if (unlink(path))
			return err_raise(-errno);
	}
	return 0;
}

/* The backstop goes last: at no time is a run half open, only closed or wholly free. */
static ERR_CHECK int pin_remove_dir(const char *dir)
{
	int r = pin_clear(dir, "link_", false);

	if (!r)
		r = pin_clear(dir, "", true);
	if (r)
		return err_trace(r);
	return rmdir(dir) ? err_raise(-errno) : 0;
}

/* Calls fn for each folder of pins, of any ABI. */
static ERR_CHECK int pin_each_dir(const char *bpffs, struct pin_owner *owner,
	int (*fn)(const char *dir, const char *name, struct pin_owner *owner))
{
	_cleanup_(pin_dir_closep) DIR *d = opendir(bpffs);
	const struct dirent *e;

	if (!d)
		return err_raise(-errno);
	while ((e = readdir(d))) {
		char dir[PIN_PATH_MAX];
		int r;

		if (strncmp(e->d_name, "abi", 3))
			continue;
		r = pin_path(dir, bpffs, "", e->d_name);
		if (!r)
			r = fn(dir, e->d_name, owner);
		if (r)
			return r;
	}
	return 0;
}

static int pin_check_one(const char *dir, const char *name, struct pin_owner *owner)
{
	struct pin_dir_state state;
	int r;

	if (!strcmp(name, PIN_DIR))
		return 0;
	r = pin_look_at_dir(dir, owner, &state);
	if (r)
		return err_trace(r);
	if (state.is_foreign)
		return KERN_E_FOREIGN;
	owner->has_unix |= state.has_unix;
	return state.is_ours ? 0 : err_trace(pin_remove_dir(dir));
}

int pin_check_foreign(const char *bpffs, struct pin_owner *owner)
{
	int r = pin_each_dir(bpffs, owner, pin_check_one);

	return r == KERN_E_FOREIGN ? r : err_trace(r);
}

static int pin_remove_other(const char *dir, const char *name, struct pin_owner *owner)
{
	(void)owner;
	return strcmp(name, PIN_DIR) != 0 ? err_trace(pin_remove_dir(dir)) : 0;
}

int pin_remove_others(const char *bpffs)
{
	return err_trace(pin_each_dir(bpffs, NULL, pin_remove_other));
}

static int pin_remove_one(const char *dir, const char *name, struct pin_owner *owner)
{
	(void)name, (void)owner;
	return err_trace(pin_remove_dir(dir));
}

static bool pin_is_mountpoint(const char *path)
{
	char above[PIN_PATH_MAX];
	struct stat here, up;

	if (pin_path(above, path, "", ".."))
		return false;
	return !stat(path, &here) && !stat(above, &up) && here.st_dev != up.st_dev;
}

int kern_detach(const char *bpffs)
{
	int r;

	if (!pin_is_bpffs(bpffs))
		return 0;
	r = pin_each_dir(bpffs, NULL, pin_remove_one);
	if (r)
		return err_trace(r);
	/* Lazily, since an open descriptor below it (a listing, a shell) must not keep the hooks'
	 * folder: the hooks are already gone. */
	if (pin_is_mountpoint(bpffs) && umount2(bpffs, MNT_DETACH))
		return err_raise(-errno);
	if (rmdir(bpffs) && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
		return err_raise(-errno);
	return 0;
}
