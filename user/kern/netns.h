/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other network namespaces: sockets made in them, by one who may enter. For a moment the calling
 * thread is there and not here, so only a process with a single thread may do this: the warden.
 */
#pragma once

#include <stdint.h>

#include "util/err.h"

/* A socket made in the namespace, close-on-exec. An fd, or -errno. */
ERR_CHECK int netns_socket(int ns_fd, int family, int type, int protocol);
/* Calls fn in the namespace and returns what it returned; < 0 also if there is no way in. Should
 * there be no way back the process ends: it must not go on in somebody else's network. */
ERR_CHECK int netns_call(int ns_fd, int (*fn)(void *arg), void *arg);
/* The namespace's own number, never used again while the kernel runs (bpf_get_netns_cookie). */
ERR_CHECK int netns_cookie(int ns_fd, uint64_t *ret);
/* Brings its loopback interface up: over that, processes in it reach a listener of ours. */
ERR_CHECK int netns_raise_loopback(int ns_fd);
