/* SPDX-License-Identifier: Apache-2.0 */
/* Signed heads: see checkpoint.h. */
#include "audit/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "util/cleanup.h"

enum { CHECKPOINT_SEED_SIZE = 32 };

static const char *const checkpoint_words[CHECKPOINT_KINDS] = {
	[CHECKPOINT_HEAD] = "holdfast checkpoint 1 ",
	[CHECKPOINT_PRUNED] = "holdfast pruned 1 ",
	[CHECKPOINT_STOPPED] = "holdfast stopped 1 ",
};

struct checkpoint_key {
	EVP_PKEY *pkey; /* the public half */
	/* NULL: only the public half is there. On a page of its own that no child inherits: the
	 * warden's children parse foreign bytes, and none of them may be able to sign. */
	uint8_t *seed;
};

/* ---- lines ---- */

static void checkpoint_hex(struct slice s, char *to)
{
	for (size_t i = 0; i < s.n; i++)
		snprintf(to + 2 * i, 3, "%02x", s.p[i]);
}

static bool checkpoint_unhex(const char *text, uint8_t *to, size_t n)
{
	if (strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		to[i] = (uint8_t)byte;
	}
	return true;
}

/* What is signed. Returns its length. */
static size_t checkpoint_text(const struct checkpoint *c, char line[CHECKPOINT_LINE_MAX])
{
	char ledger[2 * CHAIN_ID_SIZE + 1], head[2 * SHA256_SIZE + 1];

	checkpoint_hex(slice_of(c->ledger, sizeof(c->ledger)), ledger);
	checkpoint_hex(slice_of(c->head, sizeof(c->head)), head);
	return (size_t)snprintf(line, CHECKPOINT_LINE_MAX,
		"%snumber=%" PRIu64 " at=%" PRId64 " entry=%" PRIu64 " ledger=%s head=%s",
		checkpoint_words[c->kind], c->number, c->at_ns, c->entry, ledger, head);
}

void checkpoint_print(const struct checkpoint *c, char line[CHECKPOINT_LINE_MAX])
{
	char signature[2 * CHECKPOINT_SIGNATURE_SIZE + 1];
	size_t n = checkpoint_text(c, line);

	checkpoint_hex(slice_of(c->signature, sizeof(c->signature)), signature);
	snprintf(line + n, CHECKPOINT_LINE_MAX - n, " signature=%s", signature);
}

int checkpoint_parse(const char *line, struct checkpoint *ret)
{
	char ledger[64], head[80], signature[160], rest;
	enum checkpoint_kind kind = CHECKPOINT_HEAD;

	while (kind < CHECKPOINT_KINDS &&
		strncmp(line, checkpoint_words[kind], strlen(checkpoint_words[kind])))
		kind++;
	if (kind == CHECKPOINT_KINDS)
		return CHECKPOINT_E_BAD;
	ret->kind = kind;
	line += strlen(checkpoint_words[kind]);
	if (sscanf(line,
		    "number=%" SCNu64 " at=%" SCNd64 " entry=%" SCNu64
		    " ledger=%63s head=%79s signature=%159s %c",
		    &ret->number, &ret->at_ns, &ret->entry, ledger, head, signature, &rest) != 6)
		return CHECKPOINT_E_BAD;
	return checkpoint_unhex(ledger, ret->ledger, sizeof(ret->ledger)) &&
			       checkpoint_unhex(head, ret->head, sizeof(ret->head)) &&
			       checkpoint_unhex(signature, ret->signature, sizeof(ret->signature))
		       ? 0
		       : CHECKPOINT_E_BAD;
}

int checkpoint_read_file(const char *path, enum checkpoint_kind kind, struct checkpoint *ret)
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[2 * CHECKPOINT_LINE_MAX] = "", *line = text;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return errno == ENOENT ? CHECKPOINT_E_NONE : err_raise(-errno);
	for (int i = 0; i < 2 && *line; i++) {
		size_t len = strcspn(line, "\n");
		char *next = line[len] ? line + len + 1 : line + len;

		line[len] = 0;
		if (checkpoint_parse(line, ret))
			return CHECKPOINT_E_BAD;
		if (ret->kind == kind)
			return 0;
		line = next;
	}
	return CHECKPOINT_E_NONE;
}

/* ---- keys ---- */

struct checkpoint_key *checkpoint_key_free(struct checkpoint_key *k)
{
	if (!k)
		return NULL;
	if (k->seed) {
		explicit_bzero(k->seed, CHECKPOINT_SEED_SIZE);
		munmap(k->seed, CHECKPOINT_SEED_SIZE);
	}
	EVP_PKEY_free(k->pkey);
	free(k);
	return NULL;
}

/* Takes over pkey. */
static int checkpoint_key_of(EVP_PKEY *pkey, struct checkpoint_key **ret)
{
	struct checkpoint_key *k = pkey ? calloc(1, sizeof(*k)) : NULL;

	if (!k) {
		EVP_PKEY_free(pkey);
		return err_raise(-ENOMEM);
	}
	k->pkey = pkey;
	*ret = k;
	return 0;
}

static int checkpoint_page(uint8_t **ret)
{
	uint8_t *page = mmap(NULL, CHECKPOINT_SEED_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return err_raise(-errno);
	if (madvise(page, CHECKPOINT_SEED_SIZE, MADV_DONTFORK) < 0 ||
		madvise(page, CHECKPOINT_SEED_SIZE, MADV_DONTDUMP) < 0) {
		munmap(page, CHECKPOINT_SEED_SIZE);
		return err_raise(-errno);
	}
	*ret = page;
	return 0;
}

/* The pair, for one use: what OpenSSL keeps of it is wiped when it is freed. */
static EVP_PKEY *checkpoint_pair(const uint8_t seed[CHECKPOINT_SEED_SIZE])
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, CHECKPOINT_SEED_SIZE);
}

static EVP_PKEY *checkpoint_public(const uint8_t seed[CHECKPOINT_SEED_SIZE])
{
	EVP_PKEY *pair = checkpoint_pair(seed), *ret = NULL;
	uint8_t bytes[CHECKPOINT_SEED_SIZE];
	size_t n = sizeof(bytes);

	if (pair && EVP_PKEY_get_raw_public_key(pair, bytes, &n) == 1)
		ret = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, n);
	EVP_PKEY_free(pair);
	return ret;
}

/* 32 bytes, made if they are not there. Nobody but their owner may have been able to write them. */
static int checkpoint_seed(const char *path, uint8_t seed[CHECKPOINT_SEED_SIZE])
{
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || getrandom(seed, CHECKPOINT_SEED_SIZE, 0) != CHECKPOINT_SEED_SIZE ||
			write(fd, seed, CHECKPOINT_SEED_SIZE) != CHECKPOINT_SEED_SIZE ||
			fsync(fd) < 0)
			return err_raise(errno ? -errno : -EIO);
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_raise(-errno);
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return err_raise(-EPERM);
	return read(fd, seed, CHECKPOINT_SEED_SIZE) == CHECKPOINT_SEED_SIZE ? 0 : err_raise(-EBADF);
}

static int checkpoint_write_public(const struct checkpoint_key *k, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644), ok;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return errno == EEXIST ? 0 : err_raise(-errno);
	ok = PEM_write_PUBKEY(f, k->pkey);
	return fclose(f) || !ok ? err_raise(-EIO) : 0;
}

int checkpoint_key_load(const char *path, const char *public_path, struct checkpoint_key **ret)
{
	struct checkpoint_key *k;
	uint8_t *seed = NULL;
	int r = checkpoint_page(&seed);

	if (r)
		return err_trace(r);
	r = checkpoint_seed(path, seed);
	if (!r)
		r = checkpoint_key_of(checkpoint_public(seed), &k);
	if (r) {
		munmap(seed, CHECKPOINT_SEED_SIZE);
		return err_trace(r);
	}
	k->seed = seed;
	*ret = k;
	return err_trace(checkpoint_write_public(k, public_path));
}

int checkpoint_key_read(const char *public_path, struct checkpoint_key **ret)
{
	FILE *f = fopen(public_path, "re");
	EVP_PKEY *pkey;

	if (!f)
		return CHECKPOINT_E_NONE;
	pkey = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	fclose(f);
	if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		return CHECKPOINT_E_BAD;
	}
	return err_trace(checkpoint_key_of(pkey, ret));
}

/* ---- signatures ---- */

int checkpoint_sign(const struct checkpoint_key *k, struct checkpoint *c)
{
	char line[CHECKPOINT_LINE_MAX];
	size_t n = checkpoint_text(c, line), len = sizeof(c->signature);
	EVP_PKEY *pair = k->seed ? checkpoint_pair(k->seed) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pair && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pair) == 1 &&
		  EVP_DigestSign(ctx, c->signature, &len, (const uint8_t *)line, n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pair);
	return ok && len == sizeof(c->signature) ? 0 : err_raise(-EIO);
}

int checkpoint_verify(const struct checkpoint_key *k, const struct checkpoint *c)
{
	char line[CHECKPOINT_LINE_MAX];
	size_t n = checkpoint_text(c, line);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
		  EVP_DigestVerify(
			  ctx, c->signature, sizeof(c->signature), (const uint8_t *)line, n) == 1;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : CHECKPOINT_E_BAD;
}
