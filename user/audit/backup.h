/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the ledger as it is at one moment, taken while the daemon writes on. */
#pragma once

#include <stdint.h>

#include "util/err.h"

enum {
	BACKUP_E_NO_LEDGER = 1, /* no such file, or not one that can be read */
	BACKUP_E_EXISTS = 2,    /* the copy's name is taken */
	BACKUP_E_UNWRITABLE = 3,
};

/* Mode 0640; one file, without a WAL; whole or not there. 0, BACKUP_E_*. */
ERR_CHECK int backup_make(const char *ledger, const char *to,
	void (*on_progress)(void *arg, uint64_t done, uint64_t all), void *arg);
