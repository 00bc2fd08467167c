/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facts of the request at hand: what its text says, and what only the session knows of it (what
 * EXECUTE runs, whether the text can be read at all).
 */
#pragma once

#include "session/session.h"

enum { FINDING_E_PARSER = 1 }; /* the parser thread was asked: finding_parsed() is due */

/* Fills s->asked.facts. 0: they are complete; FINDING_E_PARSER; < 0. */
ERR_CHECK int finding_facts(struct session *s);
/* The parser thread's answer; error < 0: there is none, and nothing is known. 0, < 0. */
ERR_CHECK int finding_parsed(struct session *s, const struct facts *facts, int error);
