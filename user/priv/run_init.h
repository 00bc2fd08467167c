/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pid 1 of a run's own pid namespace. It does nothing but wait for what others leave behind, and
 * ends when nobody is left; if it is killed, so is everything in the run. The command is not its
 * child but the warden's, which gets exit status and signals as from any child.
 */
#pragma once

#include "priv/run_plan.h"

/* Gives up every power and descriptor but word_fd: a byte, or its end, says that the command ended.
 */
_Noreturn void run_init(const struct run_plan *plan, int word_fd);
