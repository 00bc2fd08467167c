/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings are harmless inside a session: settings.def. */
#pragma once

#include "util/slice.h"

/*
 * True if `SET name = value` changes nothing but this session's looks and plans. An empty value is
 * "not known" (RESET, DEFAULT, a list): harmless only where every value is. *ret_looked, if given,
 * is set when the answer hangs on the value.
 */
bool sql_setting_is_harmless(struct slice name, struct slice value, bool *ret_looked);
