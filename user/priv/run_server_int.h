/* SPDX-License-Identifier: Apache-2.0 */
/* What run_server.c and run_server_attach.c share, and nobody else sees. */
#pragma once

#include "priv/run_peer.h"
#include "priv/run_watch.h"
#include "util/list.h"
#include "util/writer.h"

#include "ctl/wire.h"

enum source_kind { SOURCE_LISTENER, SOURCE_CLIENT, SOURCE_PIDFD, SOURCE_EVENTS };

struct source {
	enum source_kind kind;
	void *owner; /* struct client, struct served */
};

/* One connection. `served` is set once it started a run, until that run's command ended. */
struct client {
	struct list link;
	struct source source;
	int fd;
	struct run_peer peer;
	struct served *served;
};

/* One run and its sources. Outlives its client, and its client may outlive it. */
struct served {
	struct list link;
	struct source pid_source, events_source;
	struct run *run;
	struct run_watch watch;
	bool is_released;
	struct client *client; /* the CLI that waits for the exit status, or NULL */
};

struct run_server {
	struct run_server_config config;
	int epoll_fd, listen_fd;
	struct source listener;
	struct list clients, runs;
	size_t n_clients, n_runs;
	size_t n_ambiguous; /* groups of `attach:` beyond one for each, when that was told last */
	uint8_t *packet;    /* CTL_PACKET_MAX */
	char path[108];
};

/* One answer. Who does not read it does not get it. */
void server_send(struct client *c, struct writer *w);
void server_send_error(struct client *c, enum ctl_error error, const char *text);
void server_send_end(struct client *c);

/* Takes over a run; NULL: no memory, and the run is still the caller's. */
struct served *served_new(struct run_server *s, struct run *run);
/* Hears of its exit and its end from now on. */
ERR_CHECK int served_watch(struct run_server *s, struct served *v);
struct served *server_find(const struct run_server *s, uint64_t id);
/* For the ledger: this was done to a run, by somebody. */
void server_event(struct run_server *s, const struct run *run, const char *kind, uid_t by);

/* Network namespaces of the processes of an attached run; is_again: as run_netns_gather(). */
void server_serve_netns(struct run_server *s, struct run *run, bool is_again);
void server_attach(struct run_server *s, struct client *c, struct slice body);
void server_release(struct run_server *s, struct client *c, struct slice body);
