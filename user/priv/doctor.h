/* SPDX-License-Identifier: Apache-2.0 */
/* `holdfastd --doctor`: what this host can and cannot enforce, found out by trying. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* Prints a table, or a JSON object a layer. 0 = everything that holdfast cannot do without is
 * there, 3 = not. */
int doctor_print(FILE *to, bool as_json);

/* "6.1.0-13-amd64" is at least 6.1; what is no version is not. */
bool doctor_is_release_at_least(const char *release, unsigned major, unsigned minor);
