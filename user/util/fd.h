/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors a process keeps when it changes roles. */
#pragma once

#include <stddef.h>

#include "util/err.h"

/* Closes every descriptor but 0–2 and those in keep (sorted in place; -1 entries are ignored). */
ERR_CHECK int fd_close_except(int *keep, size_t n);
