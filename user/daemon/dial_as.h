/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets dialled as somebody: what `unix_auth:` of a resource asks for. */
#pragma once

#include <sys/types.h>

#include "util/err.h"

/*
 * Connects fd to the unix socket at `path` as the account `user`, or, where that is NULL, as `uid`:
 * so SO_PEERCRED shows it to the server, and the file's permissions are those that it has. By a
 * child of a moment, since a process that changes and changes back might one day forget to. Never
 * as root: what root may say there is without end. 0, or a positive errno.
 */
int dial_as(int fd, const char *path, const char *user, uid_t uid);
/*
 * The same to a socket that this account itself listens on, and to no other: EACCES. Whose file it
 * is is asked before anybody is knocked at, and of the file that is then dialled; who listens is
 * the kernel's word, kept since his listen(), before a byte is sent.
 */
int dial_own(int fd, const char *path, uid_t uid);
