/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger says of a decision besides who and why: how the one who decided was known, and
 * what was in front of that person. Words for an auditor, and an HMAC under the ledger key of what
 * may not stand there in clear.
 */
#pragma once

#include "ctl/client.h"

enum { WITNESS_MAX = 1024 };

/* How the peer of a control connection is known: what the kernel says of it (SO_PEERCRED), and of
 * its process: terminal, the login that it descends from, its name. */
void witness_auth(const struct ctl_client *cl, char buf[static WITNESS_MAX]);
/*
 * What was shown of a hold: all that its view holds, or only its id, as far as the client said (it
 * named the view's hash, which it has from nowhere else). leader: the hold that was shown in its
 * place, 0 = itself. look: which answer of the server was shown with it. hmac: of every word of the
 * view, statement and parameters in clear included, and of that answer, if it is the last one:
 * whoever has them and the ledger key can tell whether these are they.
 */
void witness_shown(const struct ctl_client *cl, const struct hold *h, bool is_shown, uint32_t look,
	uint64_t leader, char buf[static WITNESS_MAX], uint8_t hmac[static 32]);
