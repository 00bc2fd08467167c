/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A system call by the 32-bit entry, where numbers mean something else: a filter that does not look
 * at the architecture is walked around here. Exits 0 if a packet socket came of it; dies or fails
 * otherwise.
 */
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
#ifdef __x86_64__
	long r;

	/* socket(AF_PACKET, SOCK_RAW, 0), number 359 of the i386 table; then AF_UNIX, which needs
	 * no capability and would show that the filter was not asked at all. */
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(359L), "b"((long)AF_PACKET), "c"((long)SOCK_RAW), "d"(0L));
	if (r < 0)
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"(359L), "b"((long)AF_NETLINK), "c"((long)SOCK_RAW), "d"(0L));
	if (r >= 0) {
		printf("ESCAPED int80 descriptor %ld\n", r);
		return 0;
	}
	printf("blocked int80 %ld\n", r);
#else
	printf("blocked int80 not this architecture\n");
#endif
	return 1;
}
