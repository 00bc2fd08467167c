/* SPDX-License-Identifier: Apache-2.0 */
/* A run's command line for the ledger: what it was, without the secrets people put there. */
#pragma once

#include <stddef.h>

/*
 * Writes `command` to out with `***` in place of
 *   the value behind password=, passwd=, pwd=, pass=, token=, secret=, key= (any case, any prefix:
 *   PGPASSWORD=, --api-key=), up to the next blank or quote;
 *   the word behind --password, --token and the like;
 *   the password of scheme://user:password@host.
 * Always NUL-terminated; cut at max.
 */
void redact_command(const char *command, char *out, size_t max);
