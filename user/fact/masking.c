/* SPDX-License-Identifier: Apache-2.0 */
/* Tables behind masking.h. */
#include "fact/masking.h"

const struct detector_info detector_table[DETECTOR_N] = {
#define DETECTOR(id, keyword, help) [DETECTOR_##id] = {keyword, help},
#include "fact/detectors.def"
#undef DETECTOR
};

const char *const transform_keywords[TRANSFORM_N + 1] = {"redact", "partial", "hash", "null", NULL};
const char *const written_back_keywords[WRITTEN_BACK_N + 1] = {"deny", "hold", "allow", NULL};

const char *const unproven_keywords[UNPROVEN_N + 1] = {"redact", "hold", "deny", NULL};
