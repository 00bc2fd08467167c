/* SPDX-License-Identifier: Apache-2.0 */
/* What the maps `targets` and `inbound` hold. Private to kern/; others call kern_set_reach(). */
#pragma once

#include <stddef.h>

#include "bpf/abi.h"
#include "util/err.h"

/* Makes the trie hold these keys and no others; what it held before and is wanted still is there
 * throughout. 0, -errno (the trie then holds some of both). */
ERR_CHECK int reach_replace(int map_fd, const struct reach_key *keys, size_t n);
