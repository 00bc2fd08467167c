/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp: the system calls that a sandboxed process may still make. Private to sandbox.c. */
#pragma once

#include <stdbool.h>

#include "util/err.h"

/* Allow-lists: what is not named fails with EPERM and is logged, what nobody makes by accident
 * (execve, ptrace, mount, …) kills the process. Need no_new_privs. */
ERR_CHECK int sandbox_calls_enforcer(void);
ERR_CHECK int sandbox_calls_scribe(void);
ERR_CHECK int sandbox_calls_herald(void);
/* A deny-list, for programs we do not know. */
ERR_CHECK int sandbox_calls_run(bool with_unix, bool with_linger);
