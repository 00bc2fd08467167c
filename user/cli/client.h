/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of ctl.sock and run.sock: one question, then its answers. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"
#include "ctl/wire.h"
#include "util/err.h"
#include "util/reader.h"
#include "util/writer.h"

enum {
	CLIENT_E_DOWN = 1,      /* no daemon there */
	CLIENT_E_FORBIDDEN = 2, /* the socket may not be opened by this user */
	CLIENT_E_GONE = 3,      /* the connection closed */
	CLIENT_E_BAD = 4,       /* an answer that makes no sense: another version */
	CLIENT_E_TOO_BIG = 5,   /* the question does not fit a packet */
	CLIENT_E_SILENT = 6,    /* no answer in time: the daemon is stopped, or overloaded */
};

enum { CLIENT_PATIENCE_S = 15 };

struct client {
	int fd;
	uint8_t *packet;    /* CTL_PACKET_MAX; what body lies in */
	enum ctl_type type; /* of the last answer */
	struct slice body;
};

/* Connects to <cli_dir()>/<socket>. 0, CLIENT_E_DOWN, CLIENT_E_FORBIDDEN, CLIENT_E_SILENT,
 * -errno. Deinit in any case. */
ERR_CHECK int client_open(struct client *c, const char *socket);
void client_deinit(struct client *c);
/* Sends one message; `body` may be empty. 0, also if the peer is gone (the read
 * says so), CLIENT_E_TOO_BIG, -errno. */
ERR_CHECK int client_send(
	struct client *c, enum ctl_type type, struct slice body, const int *fds, size_t n_fds);
/* Waits for the next answer, up to CLIENT_PATIENCE_S seconds unless client_wait_for_ever() was
 * called; c->body is valid until the next call. 0, CLIENT_E_GONE, CLIENT_E_BAD, CLIENT_E_SILENT,
 * -errno. */
ERR_CHECK int client_read(struct client *c);

/* For what comes when it comes: events of a watch, the end of a run. */
void client_wait_for_ever(struct client *c);

/* Prints why one of the above failed, and what to do. → cli_exit */
int client_explain(int r);
/* Prints the CTL_ERROR that was just read. → cli_exit */
int client_explain_error(const struct client *c);
/* The JSON object of a CTL_DATA that was just read, or NULL. The caller's: json_decref(). */
json_t *client_json(const struct client *c);

/* A whole conversation on ctl.sock: fn for each object, until END; it returns a cli_exit, and the
 * first that is not CLI_OK is the result; or CLI_STOP, which ends the conversation. */
int client_ask(
	enum ctl_type type, struct slice body, int (*fn)(void *arg, json_t *answer), void *arg);

static inline void client_json_freep(json_t *const *j)
{
	json_decref(*j);
}
