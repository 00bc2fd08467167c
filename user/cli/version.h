/* SPDX-License-Identifier: Apache-2.0 */
/* The version that `holdfast --version` says. */
#pragma once

#define HOLDFAST_VERSION "0.1.0"
