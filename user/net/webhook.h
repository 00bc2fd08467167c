/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed webhook: a bounded queue of JSON texts, each posted until it is taken, with growing
 * pauses, in order. Nothing here blocks; the owner polls. The one user of libcurl.
 *
 * Signature: header `X-Holdfast-Signature: sha256=HEX`, HMAC-SHA256 under the secret of the value
 * of `X-Holdfast-Timestamp`, a dot, and the body.
 */
#pragma once

#include "util/err.h"
#include "util/slice.h"

struct webhook;

enum { WEBHOOK_QUEUE_MAX = 1000, WEBHOOK_TRIES_MAX = 8 };

/* One that will not be delivered any more, and why. */
typedef void (*webhook_failed_fn)(void *arg, struct slice body, const char *why);

/* url, ca and secret are copied; ca: a file of certificates that an https server is believed by,
 * NULL: the system's. 0, -ENOMEM, -EINVAL (no http or https URL). */
ERR_CHECK int webhook_new(const char *url, const char *ca, struct slice secret,
	webhook_failed_fn failed, void *arg, struct webhook **ret);
struct webhook *webhook_free(struct webhook *w);
/* Copies the body to the end of the queue; if that is full, its oldest has failed. */
void webhook_add(struct webhook *w, struct slice body);
/* Waits up to timeout_ms for the network or for fd to be readable, and goes on. True: fd is. */
bool webhook_run(struct webhook *w, int fd, int timeout_ms);
