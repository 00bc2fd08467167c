/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the warden to end a run, for the command and for the prompt. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* → cli_exit, and one sentence for people, safe on a terminal. */
int kill_run(uint64_t run, char *text, size_t n);
