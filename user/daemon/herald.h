/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The herald: a process of its own that tells of holds and decisions elsewhere, by a signed webhook
 * and a program of the operator's. It may use the network and start programs, which the enforcer
 * may not, and sees nothing but the JSON that the enforcer hands it. When it is slow or gone, words
 * are lost and counted; nobody waits for it.
 */
#pragma once

#include "daemon/process.h"

enum { HERALD_PACKET_MAX = 32 * 1024 };

/* Makes the socket and reads the secret, if the configuration asks for a herald. 0, -errno. */
ERR_CHECK int herald_prepare(struct process *p);
/* Starts it. Call before any key is in memory: it is a copy of the caller. 0, -errno. */
ERR_CHECK int herald_start(struct process *p);
