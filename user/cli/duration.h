/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people type them: 30s, 30m, 2h, 1d. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* False: it is none, or longer than a week. */
bool duration_parse(const char *text, uint32_t *ret_seconds);
