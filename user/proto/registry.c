/* SPDX-License-Identifier: Apache-2.0 */
/* The array of protocols: adding one is one row here. */
#include "proto/postgres.h"
#include "proto/proto.h"

const struct protocol *const protocols[] = {
	&protocol_postgres,
	NULL,
};

const struct protocol *protocol_by_name(struct slice name)
{
	for (size_t i = 0; protocols[i]; i++)
		if (slice_eq_str(name, protocols[i]->name))
			return protocols[i];
	return NULL;
}
