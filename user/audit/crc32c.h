/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli): finds torn and damaged records; no defence against a forger. */
#pragma once

#include "util/slice.h"

/* With the processor's instruction where there is one. */
uint32_t crc32c(struct slice s);
/* The same, everywhere. */
uint32_t crc32c_portable(struct slice s);
