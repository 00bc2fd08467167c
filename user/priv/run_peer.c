/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of run.sock: see run_peer.h. */
#include "priv/run_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/cgroup.h"
#include "util/cleanup.h"

enum { PEER_GROUPS_MAX = 65536, PEER_PATH_MAX = 4096 };

bool run_peer_is_below(const char *path, const char *below)
{
	size_t n = strlen(below);

	return !strncmp(path, below, n) && (!path[n] || path[n] == '/');
}

/* The groups of the peer as they were when it connected. */
static int peer_is_in_group(int fd, gid_t primary, gid_t wanted, bool *ret)
{
	_cleanup_(freep) gid_t *groups = NULL;
	socklen_t len = 0;

	*ret = primary == wanted;
	if (*ret || wanted == (gid_t)-1)
		return 0;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len))
		return 0; /* it has none */
	if (errno != ERANGE)
		return err_raise(-errno);
	if (len > PEER_GROUPS_MAX * sizeof(gid_t))
		return err_raise(-E2BIG);
	groups = malloc(len);
	if (!groups)
		return err_raise(-ENOMEM);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return err_raise(-errno);
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == wanted)
			*ret = true;
	return 0;
}

static const char peer_in_run[] = "a run may not ask for runs";

int run_peer_check_sender(const struct run_server_config *config, const struct run_peer *peer,
	const struct sock_sender *sender, const char **ret_why)
{
	char path[PEER_PATH_MAX];
	int r = sender->pid ? cgroup_of_pid(config->cgroup_root, sender->pid, path, sizeof(path))
			    : CGROUP_E_NONE;

	if (r < 0)
		return err_trace(r);
	*ret_why = NULL;
	if (r == CGROUP_E_NONE || run_peer_is_below(path, config->run.runs_path))
		*ret_why = peer_in_run;
	else if (sender->uid != peer->uid)
		*ret_why = "another user has made this connection; make one of your own";
	return 0;
}

int run_peer_check(
	int fd, const struct run_server_config *config, struct run_peer *ret, bool *ret_may)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char path[PEER_PATH_MAX];
	bool is_operator;
	int r;

	*ret_may = false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_raise(-errno);
	*ret = (struct run_peer){.pid = cred.pid, .uid = cred.uid};
	r = peer_is_in_group(fd, cred.gid, config->operators, &is_operator);
	if (r)
		return err_trace(r);
	r = cgroup_of_pid(config->cgroup_root, cred.pid, path, sizeof(path));
	if (r < 0)
		return err_trace(r);
	/* A process that is gone could have been anyone's, so it is nobody's. */
	if (r == CGROUP_E_NONE || run_peer_is_below(path, config->run.runs_path))
		ret->why = peer_in_run;
	else if (cred.uid >= config->run.uid_first && cred.uid <= config->run.uid_last)
		ret->why = "this uid is one of the agents'";
	else if (cred.uid && !is_operator)
		ret->why = "only root and the operators' group may start and end runs";
	*ret_may = !ret->why;
	return 0;
}
