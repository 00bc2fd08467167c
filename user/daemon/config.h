/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of holdfastd: one YAML file, strict, all errors at once. */
#pragma once

#include <sys/types.h>

#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"

enum { CONFIG_E_BAD = 1 }; /* errors are in the diag */

/* How the server of a resource is asked what its objects do: one entry of `catalog:`. */
struct config_catalog {
	const char *resource, *user;
	const char *password_file; /* NULL: the server wants none */
};

struct config {
	struct arena arena;                  /* owns the strings */
	const char *policy;                  /* file */
	const char *dir;                     /* sockets, journals, pins, state of runs; on tmpfs */
	const char *ledger;                  /* file */
	const char *keys;                    /* folder that only root writes */
	const char *anchor, *anchor_command; /* where heads of the ledger are kept besides; NULL */
	int64_t retention_age_ns;            /* 0: for ever */
	uint64_t retention_size;             /* bytes; 0: no limit */
	const char *const *legal_holds; /* names of runs, with * and ?; NULL-terminated or NULL */
	const char *homes;              /* folder for the private homes of runs */
	const char *cgroup;             /* below the cgroup2 mount; NULL: found out */
	const char *notify;             /* program that is told of holds and decisions; or NULL */
	const char *webhook;            /* URL that is, too; or NULL */
	const char *webhook_secret;     /* file */
	const char *webhook_ca;         /* file of certificates; NULL: the system's */
	bool webhook_text;              /* with the statements, in clear */
	uid_t user, scribe_user, herald_user;
	gid_t user_gid, scribe_gid, herald_gid;
	gid_t operators_group, approvers_group, audit_group;
	uid_t run_uid_first, run_uid_last;
	uint64_t workers, port, holds_per_run;
	int64_t keepalive_ms; /* of connections, and of what a held client hears */
	struct config_catalog *catalogs;
	size_t n_catalogs;
	bool self_approval;
	bool kills_foreign_sockets; /* foreign_sockets: kill */
	const char **attach;        /* "unit:NAME", "cgroup:PATH"; NULL-terminated, or NULL */
	/* from the command line */
	bool allow_degraded, without_connect_unix, foreground;
};

/* text: the file's content, for which d was diag_init()ed. 0, CONFIG_E_BAD, -errno. */
ERR_CHECK int config_parse(struct config *c, struct slice text, struct diag *d);
void config_deinit(struct config *c);

/* "90d": a number and one letter of `letters`, each of which stands for the number at its place in
 * `units`; more than 0, at most max. False: it is no such thing. */
bool config_quantity(
	const char *text, const char *letters, const int64_t *units, int64_t max, int64_t *ret);
