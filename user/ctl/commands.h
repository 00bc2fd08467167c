/* SPDX-License-Identifier: Apache-2.0 */
/* What a control client may ask: one table of message, who may send it, handler. */
#pragma once

#include "ctl/client.h"
#include "util/slice.h"

/* One packet of a client that was let in. */
void ctl_dispatch(struct ctl_client *cl, struct slice packet);
