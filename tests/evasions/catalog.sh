#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same corpus where the server may be asked what its objects do (`catalog:`), as roles that may do
# nothing else: what is known to work without it must not, and what is known to be refused without it
# must pass. On a server of its own, since the cases leave roles behind.
HERE=$(cd "$(dirname "$0")" && pwd)
OUTER=$E2E_TMP
export WITH_CATALOG=1 E2E_TMP=$OUTER/own E2E_PGSOCK=$OUTER/own/sock E2E_PGLOG=$OUTER/own/pg.log
mkdir "$E2E_TMP" && chmod 755 "$E2E_TMP"
# shellcheck source=tests/e2e/throwaway.sh
. "$HERE/../e2e/throwaway.sh"
pg_start "$E2E_TMP" && pg_fill || exit 1
TESTS_IN=$HERE/corpus.sh
# shellcheck source=tests/evasions/corpus.sh
. "$TESTS_IN"
rc=$?
pg_stop "$E2E_TMP"
cp "$E2E_TMP/catalog.count" "$OUTER/catalog.count"
cat "$E2E_TMP/numbers" >> "$OUTER/numbers"
exit "$rc"
