/* SPDX-License-Identifier: Apache-2.0 */
/* Origin of an accepted socket, by descriptor: works without privileges on a read-only map fd. */
#pragma once

#include "bpf/abi.h"
#include "util/err.h"

enum {
	ORIGIN_E_NONE = 1
}; /* no record: whoever this is, it did not come through our hooks. Reset it */

ERR_CHECK int origin_lookup(int origin_fd, int accepted_fd, struct origin *ret);
