/* SPDX-License-Identifier: Apache-2.0 */
/* What `holdfast audit` does besides listing: each in a file of its own. */
#pragma once

#include "cli/cli.h"

extern const struct cmd audit_verify, audit_backup, audit_export, audit_contents, audit_prune;
