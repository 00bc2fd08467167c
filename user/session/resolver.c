/* SPDX-License-Identifier: Apache-2.0 */
#include "session/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "kern/origin.h"
#include "net/sock.h"
#include "net/udp.h"
#include "proto/dns.h"
#include "session/resolver_rule.h"
#include "session/worker.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	RESOLVER_MAGIC = 0x72736c76,
	ASKS_MAX = 128, /* questions under way, of all runs: of the descriptors kept for such */
	ASKS_RUN_MAX = 32,
	CONNS_MAX = 64,
	BATCH = 64, /* datagrams a turn */
	TRIES_MAX = 3,
};
#define TRY_NS  (CLOCK_NS_PER_S * 2)
#define IDLE_NS (CLOCK_NS_PER_S * 15)
/* A name stays with its address for at least so long: clients keep addresses beyond their TTL. */
#define NAMED_NS (CLOCK_NS_PER_S * 600)

/* A TCP connection of a run. */
struct conn {
	struct list link;
	struct resolver *r;
	struct loop_source src;
	struct buf in, out;
	struct run_info run;
	unsigned n_asks;
	int64_t deadline_ns;
};

/* Where an answer goes. */
struct asker {
	struct run_info run;
	struct udp_ends ends;
	struct conn *conn; /* NULL: by UDP, from our socket udp_fd */
	int udp_fd;
	bool is_gone; /* the connection ended */
};

/* A question that waits for the upstream resolver. */
struct ask {
	struct list link;
	struct resolver *r;
	struct loop_source src;
	struct dns_question q;
	struct asker from;
	struct resolver_ruling ruling;
	uint16_t id;
	unsigned n_tries;
	int64_t deadline_ns;
	bool is_tcp, is_sent;
	struct buf in;
};

struct abroad_udp {
	struct list link;
	struct loop_source src;
};

struct resolver {
	uint32_t magic;
	struct worker *worker;
	int origins_fd;
	struct loop_source udp[2]; /* IPv4, IPv6 */
	struct list abroad;        /* the same in other network namespaces: struct abroad_udp */
	struct list asks, conns;
	unsigned n_asks, n_conns;
	struct resolver_told told;
	struct dns_answer answer;         /* of the message at hand */
	uint8_t message[DNS_MESSAGE_MAX]; /* going out */
	uint8_t received[UINT16_MAX];     /* coming in */
};

/* ---- answers to runs ------------------------------------------------------------------------- */

static void conn_close(struct conn *c)
{
	struct resolver *r = c->r;
	struct list *pos;

	list_for_each (pos, &r->asks) {
		struct ask *a = list_entry(pos, struct ask, link);

		if (a->from.conn == c)
			a->from.is_gone = true;
	}
	loop_forget(&r->worker->loop, &c->src);
	sock_end_well(c->src.fd);
	close(c->src.fd);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	list_remove(&c->link);
	enforcer_give_place(r->worker->enforcer, c->run.cgroup);
	r->n_conns--;
	free(c);
}

/* False: the connection is gone, and freed. */
static bool conn_flush(struct conn *c)
{
	while (buf_len(&c->out)) {
		size_t n;
		int e = sock_write(c->src.fd, buf_slice(&c->out), &n);

		if (e == SOCK_E_AGAIN)
			break;
		if (e) {
			conn_close(c);
			return false;
		}
		buf_consume(&c->out, n);
	}
	if (loop_watch(&c->r->worker->loop, &c->src, EPOLLIN | (buf_len(&c->out) ? EPOLLOUT : 0)) <
		0) {
		conn_close(c);
		return false;
	}
	return true;
}

static void resolver_send(struct resolver *r, const struct asker *to, size_t n)
{
	const uint8_t head[2] = {(uint8_t)(n >> 8), (uint8_t)n};

	if (!n || to->is_gone)
		return;
	if (!to->conn) {
		udp_answer(to->udp_fd, slice_of(r->message, n), &to->ends);
		return;
	}
	/* A peer that reads nothing loses its answers, and then the connection. */
	if (buf_put(&to->conn->out, slice_of(head, 2)) ||
		buf_put(&to->conn->out, slice_of(r->message, n)))
		conn_close(to->conn);
	else
		conn_flush(to->conn);
}

static size_t resolver_max(const struct asker *to, const struct dns_question *q)
{
	return to->conn ? DNS_MESSAGE_MAX : q->udp_max;
}

static void resolver_refuse(struct resolver *r, const struct asker *to,
	const struct dns_question *q, enum dns_rcode rcode, enum dns_ede ede)
{
	resolver_send(r, to, dns_write_error(q, rcode, ede, r->message, resolver_max(to, q)));
}

/* ---- questions under way --------------------------------------------------------------------- */

static void ask_drop_socket(struct ask *a)
{
	loop_forget(&a->r->worker->loop, &a->src);
	a->src.fd = fd_close(a->src.fd);
	buf_deinit(&a->in);
	buf_init(&a->in, 2 + UINT16_MAX);
}

static void ask_free(struct ask *a)
{
	ask_drop_socket(a);
	if (a->from.conn && !a->from.is_gone)
		a->from.conn->n_asks--;
	list_remove(&a->link);
	a->r->n_asks--;
	free(a);
}

static void ask_fail(struct ask *a)
{
	struct resolver *r = a->r;
	struct asker to = a->from;
	struct dns_question q = a->q;

	ask_free(a);
	resolver_refuse(r, &to, &q, DNS_SERVFAIL, DNS_EDE_NETWORK);
}

/* Notes what the run now knows: before it is answered, so that its connect() finds it. */
static void ask_note(const struct ask *a, const struct dns_answer *answer)
{
	struct worker *w = a->r->worker;
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < answer->n_addrs; i++) {
		int64_t ttl = (int64_t)answer->addrs[i].ttl * CLOCK_NS_PER_S;

		if (ttl > 24 * 3600 * CLOCK_NS_PER_S)
			ttl = 24 * 3600 * CLOCK_NS_PER_S;
		if (names_put(&w->enforcer->names, a->from.run.cgroup, answer->addrs[i].addr,
			    a->q.name, now + (ttl > NAMED_NS ? ttl : NAMED_NS)))
			log_error("names", "no memory: an address stays without its name");
	}
}

static void ask_answered(struct ask *a)
{
	struct resolver *r = a->r;
	struct dns_answer *answer = &r->answer;
	struct asker to = a->from;
	size_t n;

	resolver_tell_answer(&r->told, r->worker, &to.run, &a->q, answer);
	if (answer->n_refused && !answer->n_addrs) {
		struct dns_question q = a->q;

		ask_free(a);
		resolver_refuse(r, &to, &q, DNS_NXDOMAIN, DNS_EDE_BLOCKED);
		return;
	}
	ask_note(a, answer);
	n = dns_write_answer(&a->q, answer, r->message, resolver_max(&to, &a->q));
	ask_free(a);
	resolver_send(r, &to, n);
}

static int ask_send(struct ask *a);

/* What the upstream resolver said. */
static void ask_read(struct ask *a, struct slice message)
{
	const struct resolver_filter scope = {.worker = a->r->worker, .may = a->ruling.may};
	const struct dns_filter filter = {.arg = (void *)(uintptr_t)&scope, .may = resolver_may};
	int e = dns_read_answer(&a->q, a->id, message, &filter, &a->r->answer);

	if (!e) {
		ask_answered(a);
	} else if (e == DNS_E_TRUNCATED && !a->is_tcp) {
		a->is_tcp = true;
		if (ask_send(a))
			ask_fail(a);
	} else if (a->is_tcp) {
		ask_fail(a);
	}
	/* Else somebody else's datagram: the answer may still come. */
}

static void ask_on_tcp(struct ask *a, uint32_t events)
{
	uint8_t query[512 + 2];
	struct slice got;
	size_t n;
	int e;

	if (!a->is_sent) {
		n = dns_write_query(&a->q, a->id, query + 2, sizeof(query) - 2);
		query[0] = (uint8_t)(n >> 8), query[1] = (uint8_t)n;
		e = sock_connect_result(a->src.fd) || !n;
		if (!e)
			e = sock_write(a->src.fd, slice_of(query, n + 2), &n);
		a->is_sent = true;
		if (e || loop_watch(&a->r->worker->loop, &a->src, EPOLLIN) < 0)
			ask_fail(a);
		return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	e = sock_read(a->src.fd, &a->in, 4096, &n);
	if (e == SOCK_E_AGAIN)
		return;
	got = buf_slice(&a->in);
	n = got.n < 2 ? 0 : (size_t)(got.p[0] << 8 | got.p[1]);
	if (e)
		ask_fail(a);
	else if (got.n >= 2 && got.n >= n + 2)
		ask_read(a, slice_head(slice_skip(got, 2), n));
}

static void ask_on_upstream(struct loop_source *src, uint32_t events)
{
	struct ask *a = list_entry(src, struct ask, src);
	struct resolver *r = a->r;
	ssize_t n;

	if (a->is_tcp) {
		ask_on_tcp(a, events);
		return;
	}
	n = recv(src->fd, r->received, sizeof(r->received), MSG_DONTWAIT);
	if (n > 0)
		ask_read(a, slice_of(r->received, (size_t)n));
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		a->deadline_ns = 0; /* nobody there: the next one, at the next tick */
}

/* To the next upstream resolver, from a port and with an id of its own. */
static int ask_send(struct ask *a)
{
	struct worker *w = a->r->worker;
	uint8_t query[512];
	struct endpoint to;
	size_t n;

	ask_drop_socket(a);
	if (a->n_tries++ == TRIES_MAX || !resolver_upstream(w, a->n_tries - 1, &to))
		return -ETIMEDOUT;
	if (getrandom(&a->id, sizeof(a->id), 0) != sizeof(a->id))
		return err_raise(-EIO);
	a->deadline_ns = clock_mono_ns() + TRY_NS;
	a->is_sent = false;
	a->src.fn = ask_on_upstream;
	a->src.fd = a->is_tcp ? sock_dial(to.addr, to.port) : udp_dial(to.addr, to.port);
	if (a->src.fd < 0) {
		a->deadline_ns = 0;
		return 0;
	}
	if (!a->is_tcp) {
		n = dns_write_query(&a->q, a->id, query, sizeof(query));
		if (send(a->src.fd, query, n, MSG_NOSIGNAL) != (ssize_t)n)
			a->deadline_ns = 0;
	}
	return err_trace(loop_watch(&w->loop, &a->src, a->is_tcp ? EPOLLOUT | EPOLLIN : EPOLLIN));
}

static bool resolver_has_room(const struct resolver *r, const struct run_info *run)
{
	unsigned n = 0;
	struct list *pos;

	if (r->n_asks >= ASKS_MAX)
		return false;
	list_for_each (pos, &r->asks)
		n += list_entry(pos, struct ask, link)->from.run.id == run->id;
	return n < ASKS_RUN_MAX;
}

/* A question that may be asked. */
static void resolver_ask(struct resolver *r, const struct asker *from, const struct dns_question *q,
	const struct resolver_ruling *ruling)
{
	struct ask *a = resolver_has_room(r, &from->run) ? calloc(1, sizeof(*a)) : NULL;

	if (!a) {
		resolver_refuse(r, from, q, DNS_REFUSED, DNS_EDE_PROHIBITED);
		return;
	}
	a->r = r;
	a->q = *q;
	a->from = *from;
	a->ruling = *ruling;
	a->src.fd = -1;
	buf_init(&a->in, 2 + UINT16_MAX);
	list_append(&r->asks, &a->link);
	r->n_asks++;
	if (from->conn)
		from->conn->n_asks++;
	if (ask_send(a))
		ask_fail(a);
}

static void resolver_question(struct resolver *r, const struct asker *from, struct slice message)
{
	struct resolver_ruling ruling;
	struct dns_question q;
	int e = dns_read_question(message, &q);

	if (e == DNS_E_MALFORMED)
		return;
	ruling = resolver_rule(r->worker, &from->run, &q, e == DNS_E_REFUSED);
	if (ruling.why) {
		resolver_tell_refusal(&r->told, r->worker, &from->run, &q, ruling.why);
		resolver_refuse(r, from, &q, ruling.rcode, ruling.ede);
		return;
	}
	resolver_ask(r, from, &q, &ruling);
}

/* ---- what runs send -------------------------------------------------------------------------- */

/* Not let out by the hook of a run, or to an address that stands for nobody: it is somebody else's,
 * who sends to the address that stands for a run. */
static bool resolver_find_asker(
	const struct resolver *r, const struct udp_ends *ends, struct origin *ret)
{
	uint32_t slot = (ends->mark ^ QUESTION_MARK6(0)) >> 8;

	if (ends->peer.any.sa_family == AF_INET)
		return ends->mark == QUESTION_MARK &&
		       !origin_of_token(r->origins_fd, ends->to.s_addr, ret);
	return slot < QUESTION_SLOTS && ends->mark == QUESTION_MARK6(slot) &&
	       !origin_of_token(r->origins_fd, ends->mark, ret);
}

static void resolver_on_udp(struct loop_source *src, uint32_t events)
{
	struct resolver *r = src->owner;

	(void)events;
	require(r->magic == RESOLVER_MAGIC);
	for (int i = 0; i < BATCH; i++) {
		struct asker from = {.udp_fd = src->fd};
		struct origin origin;
		size_t n;
		int e = udp_receive(src->fd, r->received, sizeof(r->received), &n, &from.ends);

		if (e)
			return;
		if (!resolver_find_asker(r, &from.ends, &origin) ||
			!enforcer_find_run(r->worker->enforcer, origin.cgroup, &from.run))
			continue;
		resolver_question(r, &from, slice_of(r->received, n));
	}
}

/* False: the connection is gone. */
static bool conn_pump(struct conn *c)
{
	for (;;) {
		const struct asker from = {.run = c->run, .conn = c};
		struct slice in = buf_slice(&c->in);
		size_t n = in.n < 2 ? 0 : (size_t)(in.p[0] << 8 | in.p[1]);
		struct resolver *r = c->r;
		unsigned n_conns = r->n_conns;

		if (in.n < 2 || in.n < n + 2)
			return true;
		memcpy(r->received, in.p + 2, n);
		buf_consume(&c->in, n + 2);
		c->deadline_ns = clock_mono_ns() + IDLE_NS;
		resolver_question(r, &from, slice_of(r->received, n));
		if (r->n_conns != n_conns) /* answering found it gone */
			return false;
	}
}

static void conn_on_event(struct loop_source *src, uint32_t events)
{
	struct conn *c = list_entry(src, struct conn, src);
	size_t n;
	int e;

	if (events & EPOLLIN) {
		e = sock_read(src->fd, &c->in, 4096, &n);
		if (e && e != SOCK_E_AGAIN) {
			conn_close(c);
			return;
		}
		if (!conn_pump(c))
			return;
	}
	if (events & (EPOLLERR | EPOLLHUP))
		conn_close(c);
	else
		conn_flush(c);
}

bool resolver_accept(
	struct resolver *r, int fd, const struct origin *origin, const struct run_info *run)
{
	struct conn *c;

	if (ntohs(origin->port) != RESOLVER_PORT || !resolver_is_on(r->worker))
		return false;
	c = r->n_conns < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c || !enforcer_take_place(r->worker->enforcer, run->cgroup)) {
		free(c);
		close(fd);
		return true;
	}
	c->r = r;
	c->run = *run;
	c->src = (struct loop_source){.fd = fd, .fn = conn_on_event};
	c->deadline_ns = clock_mono_ns() + IDLE_NS;
	buf_init(&c->in, 2 * (2 + UINT16_MAX));
	buf_init(&c->out, 4 * (2 + UINT16_MAX));
	list_append(&r->conns, &c->link);
	r->n_conns++;
	conn_flush(c);
	return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

void resolver_tick(struct resolver *r, int64_t now_ns)
{
	struct list *pos, *tmp;

	(void)now_ns;
	list_for_each_safe (pos, tmp, &r->asks) {
		struct ask *a = list_entry(pos, struct ask, link);

		if (a->deadline_ns < clock_mono_ns() && ask_send(a))
			ask_fail(a);
	}
	list_for_each_safe (pos, tmp, &r->conns) {
		struct conn *c = list_entry(pos, struct conn, link);

		if (!c->n_asks && c->deadline_ns < clock_mono_ns())
			conn_close(c);
	}
	resolver_told_tick(&r->told, r->worker);
}

void resolver_cut_run(struct resolver *r, uint64_t run)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &r->asks)
		if (list_entry(pos, struct ask, link)->from.run.id == run)
			ask_free(list_entry(pos, struct ask, link));
	list_for_each_safe (pos, tmp, &r->conns)
		if (list_entry(pos, struct conn, link)->run.id == run)
			conn_close(list_entry(pos, struct conn, link));
}

int resolver_listen(struct resolver *r, int udp_fd)
{
	struct abroad_udp *a = calloc(1, sizeof(*a));
	int e;

	if (!a)
		return err_raise(-ENOMEM);
	a->src = (struct loop_source){.fd = udp_fd, .fn = resolver_on_udp, .owner = r};
	e = loop_watch(&r->worker->loop, &a->src, EPOLLIN);
	if (e) {
		free(a);
		return err_trace(e);
	}
	list_append(&r->abroad, &a->link);
	return 0;
}

void resolver_leave(struct resolver *r, int udp_fd)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &r->abroad) {
		struct abroad_udp *a = list_entry(pos, struct abroad_udp, link);

		if (a->src.fd != udp_fd)
			continue;
		loop_forget(&r->worker->loop, &a->src);
		list_remove(&a->link);
		free(a);
	}
	/* The number may be another socket's soon. */
	list_for_each (pos, &r->asks) {
		struct asker *from = &list_entry(pos, struct ask, link)->from;

		from->is_gone |= !from->conn && from->udp_fd == udp_fd;
	}
}

int resolver_new(struct worker *w, const int udp_fds[2], int origins_fd, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int e = 0;

	if (!r)
		return err_raise(-ENOMEM);
	r->magic = RESOLVER_MAGIC;
	r->worker = w;
	r->origins_fd = origins_fd;
	list_init(&r->asks);
	list_init(&r->conns);
	list_init(&r->abroad);
	for (int v6 = 0; !e && v6 < 2; v6++) {
		r->udp[v6] =
			(struct loop_source){.fd = udp_fds[v6], .fn = resolver_on_udp, .owner = r};
		e = loop_watch(&w->loop, &r->udp[v6], EPOLLIN);
	}
	if (e) {
		free(r);
		return err_trace(e);
	}
	*ret = r;
	return 0;
}

struct resolver *resolver_free(struct resolver *r)
{
	struct list *pos, *tmp;

	if (!r)
		return NULL;
	list_for_each_safe (pos, tmp, &r->asks)
		ask_free(list_entry(pos, struct ask, link));
	list_for_each_safe (pos, tmp, &r->conns)
		conn_close(list_entry(pos, struct conn, link));
	for (int v6 = 0; v6 < 2; v6++)
		loop_forget(&r->worker->loop, &r->udp[v6]);
	free(r);
	return NULL;
}
