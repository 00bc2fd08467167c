/* SPDX-License-Identifier: Apache-2.0 */
/* The two commands of cmd-attach.c. */
#pragma once

#include "cli/cli.h"

extern const struct cmd cmd_attach, cmd_release;
