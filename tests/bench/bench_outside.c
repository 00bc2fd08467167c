/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TCP connect costs a process that no run has: N times connect() and close() to a listener
 * of its own on loopback; prints the median in nanoseconds. usage: bench_outside N
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

enum { BACKLOG = 8 };

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Taken by ourselves afterwards: a listener that does not keep up would be measured instead. */
static int64_t connect_once(int listener, const struct sockaddr_in *to)
{
	const struct linger reset = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t began = clock_mono_ns(), ended;
	int taken;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		exit(1);
	ended = clock_mono_ns();
	taken = accept(listener, NULL, NULL);
	/* A reset: a million ports in TIME_WAIT would be measured instead. */
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		exit(1);
	close(fd);
	close(taken);
	return ended - began;
}

int main(int argc, char **argv)
{
	size_t n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t *took = n ? calloc(n, sizeof(*took)) : NULL;
	socklen_t len = sizeof(at);

	if (!took || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(listener, BACKLOG) < 0 ||
		getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		return 1;
	for (size_t i = 0; i < n; i++)
		took[i] = connect_once(listener, &at);
	qsort(took, n, sizeof(*took), compare);
	printf("%lld\n", (long long)took[n / 2]);
	free(took);
	return 0;
}
