/* SPDX-License-Identifier: Apache-2.0 */
/* Origin of an accepted socket, by descriptor: works without privileges on a read-only map fd. */
#pragma once

#include <stdint.h>

#include "bpf/abi.h"
#include "util/err.h"

/* No record: whoever this is, it did not come through our hooks. Reset it. */
enum { ORIGIN_E_NONE = 1 };

/* Where the peer of an accepted socket wanted to go; origin_fd is kern_origin_fd(). 0,
 * ORIGIN_E_NONE, -errno. */
ERR_CHECK int origin_lookup(int origin_fd, int accepted_fd, struct origin *ret);

/* Who sent a datagram to this loopback address, and which resolver was meant; network order. 0,
 * ORIGIN_E_NONE, -errno. */
ERR_CHECK int origin_of_token(int askers_fd, uint32_t token, struct origin *ret);
