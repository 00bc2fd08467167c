/* SPDX-License-Identifier: Apache-2.0 */
/* What only the daemon's program can do, by executing it: it alone knows the kernel side. */
#pragma once

/* Executes `holdfastd args…`, the one beside this program, else of the PATH. Returns a cli_exit
 * only if that failed, after having printed why. args[0] is replaced. */
int daemon_exec(char **args);
