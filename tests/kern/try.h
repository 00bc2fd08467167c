/* SPDX-License-Identifier: Apache-2.0 */
/* How a client says what went wrong: in its own words, as its return value. */
#pragma once

#define try_(call)                                                                                 \
	do {                                                                                       \
		const char *why_ = (call);                                                         \
		if (why_)                                                                          \
			return why_;                                                               \
	} while (0)
#define must(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			return #x;                                                                 \
	} while (0)
