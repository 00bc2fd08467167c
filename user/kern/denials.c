/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel refused, out of the ring buffer. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kern/kern.h"
#include "util/cleanup.h"
#include "util/log.h"

/* A batch: an agent can make refusals faster than they are taken out, and the drain must end. */
enum { DENIALS_MAGIC = 0x64656e79, DENIALS_BATCH = 1024 };

struct kern_denials {
	uint32_t magic;
	struct ring_buffer *ring;
	unsigned n_drained;
	void (*fn)(void *arg, const struct denial *d);
	void *arg;
};

static int denials_on_record(void *arg, void *data, size_t size)
{
	struct kern_denials *d = arg;

	require(d->magic == DENIALS_MAGIC);
	/* The kernel side writes whole records only; a short one is another ABI's. */
	if (!bug(size < sizeof(struct denial)))
		d->fn(d->arg, data);
	return ++d->n_drained < DENIALS_BATCH ? 0 : -EAGAIN; /* taken all the same */
}

struct kern_denials *kern_denials_close(struct kern_denials *d)
{
	if (!d)
		return NULL;
	ring_buffer__free(d->ring);
	free(d);
	return NULL;
}

int kern_denials_open(int denials_fd, void (*fn)(void *arg, const struct denial *d), void *arg,
	struct kern_denials **ret)
{
	struct kern_denials *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_raise(-ENOMEM);
	*d = (struct kern_denials){.magic = DENIALS_MAGIC, .fn = fn, .arg = arg};
	d->ring = ring_buffer__new(denials_fd, denials_on_record, d, NULL);
	if (!d->ring) {
		r = -errno;
		kern_denials_close(d);
		return err_raise(r);
	}
	*ret = d;
	return 0;
}

int kern_denials_poll_fd(const struct kern_denials *d)
{
	return ring_buffer__epoll_fd(d->ring);
}

void kern_denials_drain(struct kern_denials *d)
{
	int n;

	d->n_drained = 0;
	n = ring_buffer__consume(d->ring);
	if (n < 0 && n != -EAGAIN)
		log_error("kern.denials", "errno=%d", -n);
}
