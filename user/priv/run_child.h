/* SPDX-License-Identifier: Apache-2.0 */
/* The child of a run, from its first instruction to exec. */
#pragma once

#include "priv/run_plan.h"

/* What the child tells through status_fd when it cannot exec; nothing and end of file when it did.
 */
struct run_child_failure {
	uint32_t step;  /* run_child_step_name() */
	uint32_t error; /* errno */
};

/* Born inside the run's cgroup, still root: waits for the word, gives everything up, executes. */
_Noreturn void run_child(const struct run_plan *plan);

/* What a step does, for people: "enter its working folder". NULL if there is no such step. */
const char *run_child_step_name(uint32_t step);
/* The last step: the program itself could not be executed. */
bool run_child_is_exec(uint32_t step);
