/* SPDX-License-Identifier: Apache-2.0 */
#include "mask_test.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SHORT "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
#define JWT   "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

/* `{…}` marks what is found; without braces nothing may be. */
static const struct {
	const char *text;
	enum detector d;
} known[] = {
	{"card={4111111111111111};", DETECTOR_CREDIT_CARD},
	{"{4111 1111 1111 1111} 12/29", DETECTOR_CREDIT_CARD},
	{"{378282246310005}", DETECTOR_CREDIT_CARD},
	{"x\\n{5555-5555-5555-4444}\\n", DETECTOR_CREDIT_CARD},
	{"({4222222222222})", DETECTOR_CREDIT_CARD},
	{"94111111111111111", DETECTOR_CREDIT_CARD},
	{"41111111111111110000", DETECTOR_CREDIT_CARD},
	{"4111111111111112", DETECTOR_CREDIT_CARD},
	{"0.4111111111111111", DETECTOR_CREDIT_CARD},
	{"4111111111111111.25", DETECTOR_CREDIT_CARD},
	{"a4111111111111111", DETECTOR_CREDIT_CARD},
	{"1111111111111117", DETECTOR_CREDIT_CARD},
	{"ssn {123-45-6789}.", DETECTOR_US_SSN},
	{"000-45-6789 666-45-6789 900-45-6789 123-00-6789 123-45-0000", DETECTOR_US_SSN},
	{"1123-45-67890", DETECTOR_US_SSN},
	{"to {DE89370400440532013000}, ok", DETECTOR_IBAN},
	{"to {DE89 3704 0044 0532 0130 00} ok", DETECTOR_IBAN},
	{"{gb82west12345698765432}", DETECTOR_IBAN},
	{"DE89370400440532013001", DETECTOR_IBAN},
	{"DE8937040044053201300", DETECTOR_IBAN},
	{"ZZ89370400440532013000", DETECTOR_IBAN},
	{"<{john.doe+x@mail.example.com}>.", DETECTOR_EMAIL},
	{"\\n{bob@example.com}\\n", DETECTOR_EMAIL},
	{"bob@localhost", DETECTOR_EMAIL},
	{"@example.com", DETECTOR_EMAIL},
	{"call {+1 (415) 555-0100} now", DETECTOR_PHONE},
	{"{+4930123456}", DETECTOR_PHONE},
	{"2024-01-01 00:00:00+02", DETECTOR_PHONE},
	{"1+14155550100", DETECTOR_PHONE},
	{"+1234567", DETECTOR_PHONE},
	{"from {10.0.0.5}:5432", DETECTOR_IPV4},
	{"{10.0.0.5}.", DETECTOR_IPV4},
	{"1.2.3.4.5 256.1.1.1 01.2.3.4", DETECTOR_IPV4},
	{"[{2001:db8::1}]:80", DETECTOR_IPV6},
	{"12:34:56 std::vector ::1 a::b '::text'", DETECTOR_IPV6},
	{"Bearer {" JWT "}.", DETECTOR_JWT},
	{"eyJub3BlIjoxfQ.eyJzdWIiOiIxIn0.c2ln", DETECTOR_JWT},
	{"key {AKIAIOSFODNN7EXAMPLE} is", DETECTOR_SECRET},
	{"aws_secret_access_key = {wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}", DETECTOR_SECRET},
	{"commit wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", DETECTOR_SECRET},
	{"token {" SHORT "},", DETECTOR_SECRET},
	{"{-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----}\n",
		DETECTOR_SECRET},
	{"{-----BEGIN PRIVATE KEY-----\nMHcCAQEE}", DETECTOR_SECRET},
	{"-----BEGIN CERTIFICATE-----\nMHcCAQEE\n-----END CERTIFICATE-----", DETECTOR_SECRET},
	{"postgres://bob:{s3cr3t}@db.example.com/x", DETECTOR_URL_PASSWORD},
	{"redis:\\/\\/:{a@b}@cache:6379", DETECTOR_URL_PASSWORD},
	{"http://host:8080/x@y https://user@host/", DETECTOR_URL_PASSWORD},
};

Test(detect, known_values_are_found_and_lookalikes_are_not)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char text[512];
		size_t n = 0, start = 0, end = 0;
		struct slice t;
		struct scan s;
		struct hit h;

		/* `{` and `}` are marks only in pairs, and never part of these texts. */
		for (const char *p = known[i].text; *p; p++) {
			if (*p == '{')
				start = n;
			else if (*p == '}')
				end = n;
			else
				text[n++] = *p;
		}
		t = guarded(slice_of(text, n));
		scan_init(&s, t, 0, t.n, DETECTOR_BIT(known[i].d));
		if (!end) {
			cr_expect_not(scan_next(&s, &h), "%s", known[i].text);
		} else {
			cr_expect(scan_next(&s, &h), "%s", known[i].text);
			cr_expect(h.start == start && h.end == end && h.detector == known[i].d,
				"%s: %zu..%zu", known[i].text, h.start, h.end);
			cr_expect_not(scan_next(&s, &h), "%s: again", known[i].text);
		}
		guarded_free(t);
	}
}

static bool same_hits(struct slice t, uint32_t want, struct hit *wanted, size_t n_wanted)
{
	struct scan s;
	struct hit h;
	size_t n = 0;

	scan_init(&s, t, 0, t.n, want);
	for (; scan_next(&s, &h); n++)
		if (n >= n_wanted || h.detector != wanted[n].detector ||
			h.start != wanted[n].start || h.end != wanted[n].end)
			return false;
	return n == n_wanted;
}

static void show(struct slice t, uint32_t want, uint64_t seed)
{
	struct hit wanted[64], h;
	struct scan s;
	size_t n = reference_hits(t, want, wanted, 64);

	fprintf(stderr, "seed %lu want %x text ", (unsigned long)seed, want);
	for (size_t i = 0; i < t.n; i++)
		fprintf(stderr, t.p[i] >= ' ' && t.p[i] < 127 ? "%c" : "<%02x>", t.p[i]);
	fprintf(stderr, "\nreference:");
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %d@%zu..%zu", wanted[i].detector, wanted[i].start, wanted[i].end);
	fprintf(stderr, "\nscanner:  ");
	scan_init(&s, t, 0, t.n, want);
	while (scan_next(&s, &h))
		fprintf(stderr, " %d@%zu..%zu", h.detector, h.start, h.end);
	fprintf(stderr, "\n");
}

Test(detect, one_walk_finds_what_a_slow_reference_finds, .timeout = 120)
{
	struct hit wanted[256];
	size_t n_hits = 0, by[DETECTOR_N] = {0};

	for (uint64_t seed = 1; seed <= 12000; seed++) {
		uint64_t state = seed * 7919;
		uint8_t buf[600];
		size_t n = noise_text(&state, buf, 1 + noise_next(&state) % sizeof(buf));
		uint32_t want = seed % 3 ? DETECT_ALL : (uint32_t)noise_next(&state) & DETECT_ALL;
		struct slice t = guarded(slice_of(buf, n));
		size_t n_wanted = reference_hits(t, want, wanted, 256);

		if (!same_hits(t, want, wanted, n_wanted)) {
			show(t, want, seed);
			cr_assert_fail("seed %lu differs", (unsigned long)seed);
		}
		n_hits += n_wanted;
		for (size_t i = 0; i < n_wanted; i++)
			by[wanted[i].detector]++;
		guarded_free(t);
	}
	for (int d = 0; d < DETECTOR_N; d++)
		cr_expect_gt(by[d], 100, "detector %s hardly ever tried: %zu",
			detector_table[d].keyword, by[d]);
	cr_expect_gt(n_hits, 10000);
}
