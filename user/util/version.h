/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that says which holdfast this is. */
#pragma once

#define HOLDFAST_VERSION "0.1.0"
