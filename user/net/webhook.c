/* SPDX-License-Identifier: Apache-2.0 */
/* The webhook: see webhook.h. */
#include "net/webhook.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/list.h"

enum { WEBHOOK_TIMEOUT_MS = 10000, WEBHOOK_CONNECT_MS = 5000, WEBHOOK_PAUSE_MAX_S = 60 };

struct webhook_item {
	struct list link;
	size_t n;
	char body[];
};

struct webhook {
	char *url, *ca;
	uint8_t secret[64];
	size_t secret_n;
	webhook_failed_fn failed;
	void *arg;
	CURLM *multi;
	CURL *easy; /* the first of the queue is on its way; NULL: not */
	struct curl_slist *headers;
	struct list queue;
	size_t n;
	unsigned tries; /* of the first */
	int64_t next_ns;
};

static size_t webhook_ignore(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

int webhook_new(const char *url, const char *ca, struct slice secret, webhook_failed_fn failed,
	void *arg, struct webhook **ret)
{
	struct webhook *w;

	if ((strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) ||
		secret.n > sizeof(w->secret))
		return err_raise(-EINVAL);
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_raise(-ENOMEM);
	list_init(&w->queue);
	w->failed = failed;
	w->arg = arg;
	if (secret.n)
		memcpy(w->secret, secret.p, secret.n);
	w->secret_n = secret.n;
	w->url = strdup(url);
	w->ca = ca ? strdup(ca) : NULL;
	w->multi = curl_multi_init();
	if (!w->url || (ca && !w->ca) || !w->multi) {
		webhook_free(w);
		return err_raise(-ENOMEM);
	}
	*ret = w;
	return 0;
}

static void webhook_hang_up(struct webhook *w)
{
	if (w->easy) {
		curl_multi_remove_handle(w->multi, w->easy);
		curl_easy_cleanup(w->easy);
	}
	w->easy = NULL;
	curl_slist_free_all(w->headers);
	w->headers = NULL;
}

/* The first one is done with. */
static void webhook_shift(struct webhook *w, const char *why)
{
	struct webhook_item *i = list_entry(w->queue.next, struct webhook_item, link);

	webhook_hang_up(w);
	if (why)
		w->failed(w->arg, slice_of(i->body, i->n), why);
	list_remove(&i->link);
	free(i);
	w->n--;
	w->tries = 0;
	w->next_ns = 0;
}

struct webhook *webhook_free(struct webhook *w)
{
	if (!w)
		return NULL;
	webhook_hang_up(w);
	while (!list_is_empty(&w->queue)) {
		struct webhook_item *i = list_entry(w->queue.next, struct webhook_item, link);

		list_remove(&i->link);
		free(i);
	}
	if (w->multi)
		curl_multi_cleanup(w->multi);
	free(w->url);
	free(w->ca);
	free(w);
	return NULL;
}

void webhook_add(struct webhook *w, struct slice body)
{
	struct webhook_item *i = malloc(sizeof(*i) + body.n);

	if (w->n == WEBHOOK_QUEUE_MAX)
		webhook_shift(w, "too many wait behind it");
	if (!i) {
		w->failed(w->arg, body, "out of memory");
		return;
	}
	i->n = body.n;
	memcpy(i->body, body.p, body.n);
	list_init(&i->link);
	list_append(&w->queue, &i->link);
	w->n++;
}

static bool webhook_header(struct webhook *w, const char *text)
{
	struct curl_slist *longer = curl_slist_append(w->headers, text);

	if (longer)
		w->headers = longer;
	return longer;
}

static bool webhook_sign(struct webhook *w, const struct webhook_item *i)
{
	char stamp[32], line[160], *p;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n_mac = 0;
	size_t n = (size_t)snprintf(stamp, sizeof(stamp), "%lld.", (long long)time(NULL));
	uint8_t *text = malloc(n + i->n);
	bool is_good;

	if (!text)
		return false;
	memcpy(text, stamp, n);
	memcpy(text + n, i->body, i->n);
	is_good = HMAC(EVP_sha256(), w->secret, (int)w->secret_n, text, n + i->n, mac, &n_mac);
	free(text);
	p = line + snprintf(line, sizeof(line), "X-Holdfast-Signature: sha256=");
	for (unsigned k = 0; k < n_mac; k++)
		p += snprintf(p, 3, "%02x", mac[k]);
	is_good = is_good && webhook_header(w, line);
	snprintf(line, sizeof(line), "X-Holdfast-Timestamp: %.*s", (int)n - 1, stamp);
	return is_good && webhook_header(w, line) &&
	       webhook_header(w, "Content-Type: application/json") && webhook_header(w, "Expect:");
}

static void webhook_start(struct webhook *w)
{
	const struct webhook_item *i = list_entry(w->queue.next, struct webhook_item, link);
	CURL *e = curl_easy_init();

	w->tries++;
	w->easy = e;
	if (!e || !webhook_sign(w, i))
		return;
	curl_easy_setopt(e, CURLOPT_URL, w->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	if (w->ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, w->ca);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)WEBHOOK_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)WEBHOOK_CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, w->headers);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)i->n);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, &i->body[0]);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, webhook_ignore);
	curl_multi_add_handle(w->multi, e);
}

/* An answer, or none. 2xx took it; 4xx but 408 and 429 never will. */
static void webhook_judge(struct webhook *w, CURLcode result)
{
	long status = 0, pause = 1;
	char why[128];

	curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!result && status >= 200 && status < 300) {
		webhook_shift(w, NULL);
		return;
	}
	snprintf(why, sizeof(why), "%s, status %ld, after %u tries", curl_easy_strerror(result),
		status, w->tries);
	if (w->tries >= WEBHOOK_TRIES_MAX ||
		(!result && status >= 400 && status < 500 && status != 408 && status != 429)) {
		webhook_shift(w, why);
		return;
	}
	webhook_hang_up(w);
	for (unsigned i = 1; i < w->tries && pause < WEBHOOK_PAUSE_MAX_S; i++)
		pause *= 2;
	w->next_ns = clock_mono_ns() + pause * CLOCK_NS_PER_S;
}

bool webhook_run(struct webhook *w, int fd, int timeout_ms)
{
	struct curl_waitfd wait = {.fd = fd, .events = CURL_WAIT_POLLIN};
	int running, left;
	const CURLMsg *m;

	if (!w->easy && !list_is_empty(&w->queue) && clock_mono_ns() >= w->next_ns)
		webhook_start(w);
	curl_multi_perform(w->multi, &running);
	while ((m = curl_multi_info_read(w->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			webhook_judge(w, m->data.result);
	/* The next one goes at once. */
	if (!w->easy && !list_is_empty(&w->queue) && !w->next_ns)
		timeout_ms = 0;
	curl_multi_poll(w->multi, &wait, 1, timeout_ms, NULL);
	return wait.revents & CURL_WAIT_POLLIN;
}
