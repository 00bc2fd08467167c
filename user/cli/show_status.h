/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's status as people read it. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Prints what is known; what is missing is left away, never shown as zero. */
void show_status(FILE *to, const json_t *status);
