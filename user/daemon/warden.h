/* SPDX-License-Identifier: Apache-2.0 */
/* The warden: keeps the powers and the keys, supervises, starts runs; never parses a foreign byte.
 */
#pragma once

#include "daemon/process.h"

/* Starts scribe and enforcer, serves until SIGTERM. Returns the exit status of the daemon. */
int warden_run(struct process *p);
