/* SPDX-License-Identifier: Apache-2.0 */
/* What the warden noticed of others at work on the kernel side, for `holdfast status`. In shared
 * memory: the warden writes, the enforcer tells. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct ctl_alarms {
	_Atomic uint64_t n_broken;    /* layers that are not in place right now */
	_Atomic uint64_t n_tampered;  /* events "tampered" since the daemon started */
	_Atomic uint64_t n_moved_out; /* processes that were moved out of their run */
	_Atomic int64_t last_wall_ns; /* when the last of them was noticed */
};
