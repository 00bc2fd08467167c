/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/origin.h"

#include <bpf/bpf.h>
#include <errno.h>

/* Socket storage is looked up by descriptor, the kernel goes from there to the socket: nothing the
 * agent can choose is part of the key. */
int origin_lookup(int origin_fd, int accepted_fd, struct origin *ret)
{
	if (bpf_map_lookup_elem(origin_fd, &accepted_fd, ret))
		return errno == ENOENT ? ORIGIN_E_NONE : err_raise(-errno);
	return ret->is_set ? 0 : ORIGIN_E_NONE;
}

int origin_of_token(int askers_fd, uint32_t token, struct origin *ret)
{
	if (bpf_map_lookup_elem(askers_fd, &token, ret))
		return errno == ENOENT ? ORIGIN_E_NONE : err_raise(-errno);
	return ret->is_set ? 0 : ORIGIN_E_NONE;
}
