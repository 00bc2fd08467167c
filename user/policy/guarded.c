/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that mean something else to the enforcer's host than to the agent, or that give away
 * the host's own powers: loopback, link-local, cloud metadata, multicast. A wide network never
 * covers them: only an entry that lies within such a range says that it was meant.
 */
#include "policy/model.h"

static const struct endpoint guarded[] = {
#define V4(a, b, c, d, bits)                                                                       \
	{                                                                                          \
		.addr = {[10] = 0xff, [11] = 0xff, (a), (b), (c), (d)}, .prefix = 96 + (bits)      \
	}
	V4(0, 0, 0, 0, 8), V4(127, 0, 0, 0, 8),
	V4(169, 254, 0, 0, 16),     /* link-local; metadata of most clouds */
	V4(100, 100, 100, 200, 32), /* metadata of Alibaba Cloud */
	V4(168, 63, 129, 16, 32),   /* Azure's wire server */
	V4(224, 0, 0, 0, 3),        /* multicast, reserved, broadcast */
#undef V4
	{.addr = {0}, .prefix = 96},                   /* ::, ::1 and IPv4-compatible */
	{.addr = {0, 0x64, 0xff, 0x9b}, .prefix = 96}, /* NAT64: an IPv4 address in disguise */
	{.addr = {0x20, 0x02}, .prefix = 16},          /* 6to4: another */
	{.addr = {0xfe, 0x80}, .prefix = 10}, {.addr = {0xff}, .prefix = 8},
	{.addr = {0xfd, 0x00, 0x0e, 0xc2}, .prefix = 32}, /* metadata of AWS */
	{.addr = {0xfd, 0x20, 0x00, 0xce}, .prefix = 32}, /* metadata of Google Cloud */
};

/* The house's own networks: nothing is wrong with them but that strangers may not point there. */
static const struct endpoint private[] = {
#define V4(a, b, c, d, bits)                                                                       \
	{                                                                                          \
		.addr = {[10] = 0xff, [11] = 0xff, (a), (b), (c), (d)}, .prefix = 96 + (bits)      \
	}
	V4(10, 0, 0, 0, 8),
	V4(172, 16, 0, 0, 12),
	V4(192, 168, 0, 0, 16),
	V4(100, 64, 0, 0, 10),
#undef V4
	{.addr = {0xfc}, .prefix = 7},
};

/* The longest of the networks that the address is in; 0: none. */
static uint8_t guarded_in(const struct endpoint *v, size_t n, const uint8_t addr[static 16])
{
	uint8_t prefix = 0;

	for (size_t i = 0; i < n; i++)
		if (endpoint_holds(&v[i], addr) && v[i].prefix > prefix)
			prefix = v[i].prefix;
	return prefix;
}

uint8_t guarded_prefix(const uint8_t addr[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	/* A network of IPv6, however wide, has no IPv4 address in it. */
	uint8_t least = memcmp(addr, mapped, sizeof(mapped)) ? 0 : 96;
	uint8_t prefix = guarded_in(guarded, sizeof(guarded) / sizeof(guarded[0]), addr);

	return prefix > least ? prefix : least;
}

bool guarded_is_special(const uint8_t addr[static 16])
{
	return guarded_in(guarded, sizeof(guarded) / sizeof(guarded[0]), addr);
}

uint8_t guarded_private(const uint8_t addr[static 16])
{
	return guarded_in(private, sizeof(private) / sizeof(private[0]), addr);
}
