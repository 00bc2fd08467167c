/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: see crc32c.h. */
#include "audit/crc32c.h"

uint32_t crc32c_portable(struct slice s)
{
	/* Half a byte a step: sixteen numbers instead of a page of them, for machines without the
	 * instruction. */
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
		0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	uint32_t crc = ~0u;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= s.p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(struct slice s)
{
	uint64_t crc = ~0u;

	for (; s.n >= 8; s = slice_skip(s, 8)) {
		uint64_t word;

		memcpy(&word, s.p, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	for (size_t i = 0; i < s.n; i++)
		crc = __builtin_ia32_crc32qi((uint32_t)crc, s.p[i]);
	return ~(uint32_t)crc;
}

uint32_t crc32c(struct slice s)
{
	return __builtin_cpu_supports("sse4.2") ? crc32c_hardware(s) : crc32c_portable(s);
}
#else
uint32_t crc32c(struct slice s)
{
	return crc32c_portable(s);
}
#endif
