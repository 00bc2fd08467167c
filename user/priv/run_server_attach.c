/* SPDX-License-Identifier: Apache-2.0 */
/* Asks of `holdfast attach` and `holdfast release`, and what the configuration names: see
 * run_server.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "priv/run_attach.h"
#include "priv/run_netns.h"
#include "priv/run_server_int.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/log.h"
#include "util/reader.h"

_Static_assert((int)PLACE_CONTAINER == (int)RUN_PLACE_CONTAINER, "wire and kern count alike");

static void server_add_socket(void *arg, const char *text)
{
	jsonw_string(arg, NULL, slice_str(text));
}

static void server_gather_netns(
	struct run_server *s, struct run *run, const char *group, bool is_again)
{
	const struct run_server_callbacks *cb = &s->config.callbacks;

	run_netns_gather(&s->config.run, run, group, is_again, cb->on_netns, cb->arg);
}

void server_serve_netns(struct run_server *s, struct run *run, bool is_again)
{
	char path[RUN_FROM_MAX];

	if (!run_attach_path(&s->config.run, run, path, sizeof(path)))
		server_gather_netns(s, run, path, is_again);
}

/* From placement to being watched; *v is whole, or the caller is told why not. */
static int server_attach_run(struct run_server *s, const struct run_attach_request *req,
	struct place_census *census, struct json *j, struct served **ret, const char **ret_why)
{
	const struct run_server_callbacks *cb = &s->config.callbacks;
	uint64_t id = cb->next_id(cb->arg);
	struct run *run;
	int r;

	*ret_why = "no run can begin now; see `holdfast status` and the daemon's log";
	if (!id)
		return RUN_ATTACH_E_REFUSED;
	r = run_attach(&s->config.run, req, id, cb->on_placed, cb->arg, &run, census, ret_why);
	if (r)
		return r;
	*ret = served_new(s, run);
	if (!*ret || served_watch(s, *ret)) {
		log_error("run.watch", "id=%" PRIu64, run->id);
		*ret_why = "the run cannot be watched";
		return RUN_ATTACH_E_REFUSED;
	}
	server_serve_netns(s, run, false);
	cb->on_attached(cb->arg, run, j ? server_add_socket : NULL, j);
	server_event(s, run, "attached", req->owner_uid);
	log_info("run.attach", "id=%" PRIu64 " name=\"%s\" from=\"%s\" processes=%u", run->id,
		run->name, run->from, census->n);
	return 0;
}

static void server_tell_attached(
	struct client *c, struct json *j, const struct run *run, const struct place_census *census)
{
	_cleanup_(freep) uint8_t *mem = malloc(CTL_PACKET_MAX);
	struct writer w = writer_of(mem, mem ? CTL_PACKET_MAX : 0);

	jsonw_array_end(j);
	jsonw_uint(j, "run", run->id);
	jsonw_string(j, "name", slice_str(run->name));
	jsonw_string(j, "from", slice_str(run->from));
	jsonw_uint(j, "processes", census->n);
	jsonw_uint(j, "powerful", census->n_powerful);
	jsonw_uint(j, "other_netns", census->n_other_netns);
	jsonw_uint(j, "netns_served", run->n_netns);
	jsonw_uint(j, "netns_refused", run->n_netns_refused);
	jsonw_bool(j, "loose", census->is_loose);
	jsonw_bool(j, "cut", run->is_cut);
	jsonw_object_end(j);
	wr_be16(&w, CTL_VERSION);
	wr_be16(&w, CTL_DATA);
	wr_be32_bytes(&w, jsonw_done(j));
	server_send(c, &w);
	server_send_end(c);
}

void server_attach(struct run_server *s, struct client *c, struct slice body)
{
	struct reader r = reader_of(body);
	struct run_attach_request req = {.kind = (enum place_kind)rd_u8(&r)};
	uint8_t flags = rd_u8(&r);
	struct slice text = rd_be32_bytes(&r);
	struct place_census census = {0};
	const char *why = "the request cannot be met now";
	struct served *v;
	struct json j;

	req.name = rd_be32_bytes(&r);
	req.is_cut = flags & RUN_ATTACH_CUT;
	req.owner_uid = c->peer.uid;
	if (!rd_done(&r) || req.kind > PLACE_CONTAINER || flags & ~RUN_ATTACH_CUT || !text.n ||
		text.n >= sizeof(req.text) || memchr(text.p, 0, text.n)) {
		server_send_error(c, CTL_ERR_UNKNOWN, "the request to attach is malformed");
		return;
	}
	memcpy(req.text, text.p, text.n);
	if (c->peer.uid) {
		server_send_error(c, CTL_ERR_FORBIDDEN, "only root may attach what runs already");
		return;
	}
	jsonw_init(&j, CTL_PACKET_MAX - 64);
	jsonw_object(&j, NULL);
	jsonw_array(&j, "sockets");
	if (server_attach_run(s, &req, &census, &j, &v, &why))
		server_send_error(c, CTL_ERR_FAILED, why);
	else
		server_tell_attached(c, &j, v->run, &census);
	jsonw_deinit(&j);
}

/* "unit:NAME" or "cgroup:PATH". */
static bool server_parse_spec(const char *spec, struct run_attach_request *ret)
{
	const char *colon = strchr(spec, ':');

	*ret = (struct run_attach_request){.is_cut = true};
	if (!colon || strlen(colon + 1) >= sizeof(ret->text))
		return false;
	ret->kind = spec[0] == 'u' ? PLACE_UNIT : PLACE_CGROUP;
	snprintf(ret->text, sizeof(ret->text), "%s", colon + 1);
	return true;
}

static bool server_is_configured(const struct run_server *s, const char *from)
{
	for (const char *const *spec = s->config.attach; spec && *spec; spec++) {
		_cleanup_(place_paths_free) struct place_paths found = {0};
		struct run_attach_request req;

		/* What cannot be looked up now may be named. */
		if (!server_parse_spec(*spec, &req) ||
			place_find_all(s->config.cgroup_root, req.kind, req.text, &found))
			return true;
		for (size_t i = 0; i < found.n; i++)
			if (!strcmp(found.v[i], from))
				return true;
	}
	return false;
}

void server_release(struct run_server *s, struct client *c, struct slice body)
{
	struct reader r = reader_of(body);
	struct served *v = server_find(s, rd_be64(&r));
	const char *why = "the processes could not be moved back";

	if (!rd_done(&r))
		server_send_error(c, CTL_ERR_UNKNOWN, "the request to release is malformed");
	else if (!v)
		server_send_error(c, CTL_ERR_NOT_FOUND, "there is no such run");
	else if (c->peer.uid)
		server_send_error(c, CTL_ERR_FORBIDDEN, "only root may release");
	else if (server_is_configured(s, v->run->from))
		server_send_error(c, CTL_ERR_FAILED,
			"`attach:` in the configuration names it: it would be back in a second");
	else if (run_release(&s->config.run, v->run, &why))
		server_send_error(c, CTL_ERR_FAILED, why);
	else {
		v->is_released = true;
		server_event(s, v->run, "released", c->peer.uid);
		server_send_end(c);
	}
}

static struct served *server_find_from(const struct run_server *s, const char *from)
{
	struct list *l;

	list_for_each (l, &s->runs) {
		struct served *v = list_entry(l, struct served, link);

		if (!strcmp(v->run->from, from))
			return v;
	}
	return NULL;
}

/* req names what is at `path`. */
static void server_gather_one(
	struct run_server *s, const struct run_attach_request *req, const char *path)
{
	struct place_census census = {0};
	const char *why = "";
	struct served *v;
	unsigned n;

	if (place_count(path, &census) || !census.n)
		return;
	v = server_find_from(s, path);
	/* Before they are moved: afterwards those that the run made itself are there too. */
	if (v)
		server_gather_netns(s, v->run, path, false);
	if (!v && server_attach_run(s, req, &census, NULL, &v, &why))
		log_error("run.attach", "what=\"%s\" why=\"%s\"", req->text, why);
	else if (v && run_attach_gather(&s->config.run, v->run, &n))
		log_error("run.attach", "id=%" PRIu64 " gathered=0", v->run->id);
}

/* Who may name a group like the unit must not switch its control off by that: all of them are taken
 * in. Returns how many more there are than the one that is meant; the words for it in `text`. */
static size_t server_gather_all(
	struct run_server *s, const struct run_attach_request *req, char *text, size_t max)
{
	_cleanup_(place_paths_free) struct place_paths found = {0};
	struct run_attach_request by_path = *req;
	size_t n = 0;

	if (place_find_all(s->config.cgroup_root, req->kind, req->text, &found)) {
		log_error("run.attach", "what=\"%s\" found=0", req->text);
		return 0;
	}
	if (found.n == 1) {
		server_gather_one(s, req, found.v[0]);
		return 0;
	}
	by_path.kind = PLACE_CGROUP;
	by_path.name = slice_str(req->text);
	for (size_t i = 0; i < found.n; i++) {
		/* Named so by a run inside of its own group. */
		if (run_peer_is_below(found.v[i], s->config.run.runs_path) ||
			snprintf(by_path.text, sizeof(by_path.text), "%s", found.v[i]) >=
				(int)sizeof(by_path.text))
			continue;
		n++;
		server_gather_one(s, &by_path, found.v[i]);
	}
	if (n > 1)
		snprintf(text, max,
			"%zu control groups are called %.200s, all are taken in: %.200s …", n,
			req->text, found.v[0]);
	return n > 1 ? n - 1 : 0;
}

void run_server_gather(struct run_server *s)
{
	char text[512] = "";
	size_t n = 0;

	for (const char *const *spec = s->config.attach; spec && *spec; spec++) {
		struct run_attach_request req;

		if (server_parse_spec(*spec, &req))
			n += server_gather_all(s, &req, text, sizeof(text));
	}
	/* Once for each that appears, not once a second. */
	if (n > s->n_ambiguous)
		s->config.callbacks.on_event(s->config.callbacks.arg, "attach-ambiguous", 0, text);
	s->n_ambiguous = n;
}
