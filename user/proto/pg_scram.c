/* SPDX-License-Identifier: Apache-2.0 */
/* md5 and SCRAM-SHA-256 (RFC 5802, 7677), the client's side: see pg_scram.h. */
#include "proto/pg_scram.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SCRAM_SALT_MAX = 64,
	/* The number is the server's to choose, and we compute for that long. */
	SCRAM_ROUNDS_MAX = 200000,
	SCRAM_KEY = 32,
};

static bool scram_md5_hex(const void *a, size_t n_a, const void *b, size_t n_b, char ret[static 33])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[16];
	bool ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
		  EVP_DigestUpdate(md, a, n_a) == 1 && EVP_DigestUpdate(md, b, n_b) == 1 &&
		  EVP_DigestFinal_ex(md, sum, NULL) == 1;

	EVP_MD_CTX_free(md);
	for (size_t i = 0; ok && i < sizeof(sum); i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
	return ok;
}

bool pg_md5_answer(
	const char *user, const char *password, const uint8_t salt[static 4], char ret[static 36])
{
	char inner[33], outer[33];
	bool ok = scram_md5_hex(password, strlen(password), user, strlen(user), inner) &&
		  scram_md5_hex(inner, 32, salt, 4, outer);

	if (ok)
		snprintf(ret, 36, "md5%s", outer);
	OPENSSL_cleanse(inner, sizeof(inner));
	return ok;
}

static bool scram_hmac(const uint8_t *key, size_t n, const char *text, uint8_t ret[static 32])
{
	return HMAC(EVP_sha256(), key, (int)n, (const uint8_t *)text, strlen(text), ret, NULL);
}

int pg_scram_begin(struct pg_client *c, char *ret, size_t max)
{
	uint8_t random[24];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_raise(-EIO);
	EVP_EncodeBlock((uint8_t *)c->scram.nonce, random, sizeof(random));
	snprintf(c->scram.first, sizeof(c->scram.first), "n=,r=%s", c->scram.nonce);
	snprintf(ret, max, "n,,%s", c->scram.first);
	c->scram.is_begun = true;
	return 0;
}

/* The value of `name=` at the head of *message, up to the comma or the end. */
static bool scram_take(struct slice *message, char name, struct slice *ret)
{
	const uint8_t *comma;

	if (message->n < 2 || message->p[0] != (uint8_t)name || message->p[1] != '=')
		return false;
	*message = slice_skip(*message, 2);
	comma = memchr(message->p, ',', message->n);
	*ret = slice_head(*message, comma ? (size_t)(comma - message->p) : message->n);
	*message = slice_skip(*message, ret->n + (comma ? 1 : 0));
	return true;
}

/* Base64 without line breaks; the number of bytes, or 0. */
static size_t scram_decode(struct slice text, uint8_t *ret, size_t max)
{
	size_t padding = 0;
	int n;

	if (!text.n || text.n % 4 || text.n / 4 * 3 > max)
		return 0;
	n = EVP_DecodeBlock(ret, text.p, (int)text.n);
	for (size_t i = text.n; i && text.p[i - 1] == '='; i--)
		padding++;
	return n < 0 || padding > 2 ? 0 : (size_t)n - padding;
}

/* The keys from the password: what proves us, and what the server has to answer. */
static bool scram_keys(struct pg_client *c, struct slice salt, int rounds, uint8_t proof[static 32])
{
	uint8_t salted[SCRAM_KEY], client[SCRAM_KEY], stored[SCRAM_KEY], server[SCRAM_KEY];
	bool ok = PKCS5_PBKDF2_HMAC(c->password, (int)strlen(c->password), salt.p, (int)salt.n,
			  rounds, EVP_sha256(), sizeof(salted), salted) == 1 &&
		  scram_hmac(salted, sizeof(salted), "Client Key", client) &&
		  EVP_Digest(client, sizeof(client), stored, NULL, EVP_sha256(), NULL) == 1 &&
		  scram_hmac(stored, sizeof(stored), c->scram.final, proof) &&
		  scram_hmac(salted, sizeof(salted), "Server Key", server) &&
		  scram_hmac(server, sizeof(server), c->scram.final, c->scram.server_signature);

	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= client[i];
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(stored, sizeof(stored));
	OPENSSL_cleanse(server, sizeof(server));
	return ok;
}

int pg_scram_continue(struct pg_client *c, struct slice message, char *ret, size_t max)
{
	struct slice whole = message, nonce, salt64, rounds_text;
	uint8_t salt[SCRAM_SALT_MAX + 4], proof[SCRAM_KEY];
	char number[8] = "", proof64[48];
	size_t n_salt, n_mine = strlen(c->scram.nonce);
	long rounds;
	int n;

	if (!scram_take(&message, 'r', &nonce) || !scram_take(&message, 's', &salt64) ||
		!scram_take(&message, 'i', &rounds_text) || rounds_text.n >= sizeof(number))
		return PG_CLIENT_E_BROKEN;
	/* Ours with something behind it, or this is an answer to somebody else. */
	if (nonce.n <= n_mine || memcmp(nonce.p, c->scram.nonce, n_mine) != 0)
		return PG_CLIENT_E_REFUSED;
	memcpy(number, rounds_text.p, rounds_text.n);
	rounds = strtol(number, NULL, 10);
	n_salt = scram_decode(salt64, salt, sizeof(salt));
	if (rounds < 1 || rounds > SCRAM_ROUNDS_MAX || !n_salt)
		return PG_CLIENT_E_BROKEN;
	n = snprintf(c->scram.final, sizeof(c->scram.final), "%s,%.*s,c=biws,r=%.*s",
		c->scram.first, SLICE_FMT(whole), SLICE_FMT(nonce));
	if (n < 0 || (size_t)n >= sizeof(c->scram.final))
		return PG_CLIENT_E_BROKEN;
	if (!scram_keys(c, slice_of(salt, n_salt), (int)rounds, proof))
		return err_raise(-EIO);
	EVP_EncodeBlock((uint8_t *)proof64, proof, sizeof(proof));
	n = snprintf(ret, max, "c=biws,r=%.*s,p=%s", SLICE_FMT(nonce), proof64);
	return n < 0 || (size_t)n >= max ? PG_CLIENT_E_BROKEN : 0;
}

bool pg_scram_end(struct pg_client *c, struct slice message)
{
	uint8_t signature[SCRAM_KEY + 4];
	struct slice text;

	c->scram.is_proven = scram_take(&message, 'v', &text) &&
			     scram_decode(text, signature, sizeof(signature)) == SCRAM_KEY &&
			     !CRYPTO_memcmp(signature, c->scram.server_signature, SCRAM_KEY);
	return c->scram.is_proven;
}
