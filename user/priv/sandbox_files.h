/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: the files that a sandboxed process may still reach. Private to sandbox.c. */
#pragma once

#include <stdbool.h>

#include "util/err.h"

enum { SANDBOX_FILES_E_NONE = 1 }; /* this kernel has no Landlock */

struct sandbox_path {
	const char *path; /* NULL ends a list; a path that does not exist is skipped */
	bool may_write;   /* create, write, rename and remove below it too */
};

/* Forbids all other files, and signals to processes outside. Needs no_new_privs.
 * 0, SANDBOX_FILES_E_NONE, -errno. */
ERR_CHECK int sandbox_files_restrict(const struct sandbox_path *paths);
