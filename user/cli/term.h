/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal: other modes for a while, and back on every way out. One struct term per process;
 * its modes are put back by term_restore(), at exit() at the latest.
 */
#pragma once

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "util/err.h"

struct term {
	int fd;
	struct termios saved;
	bool is_changed;
};

enum term_mode {
	TERM_RAW,  /* every byte goes to the program behind: for relaying to a pty */
	TERM_KEYS, /* key by key and without echo; ^C and ^Z are still signals */
};

/* Keeps a pointer to t until restored. 0, -errno. */
ERR_CHECK int term_change(struct term *t, int fd, enum term_mode mode);
void term_restore(struct term *t);
/* Columns and rows; 80x24 if the terminal does not say. */
struct winsize term_size(int fd);
/* Stops this process as ^Z does, with the terminal as the shell expects it, until it continues. */
void term_stop(struct term *t, enum term_mode mode);
/* Blocks the signals of the 0-terminated list and returns a signalfd for them, or < 0. */
int term_signals(const int *signals);
/* The next signal that is waiting, 0 = none. */
int term_next_signal(int fd);
