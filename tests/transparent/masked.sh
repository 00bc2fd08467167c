#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Drivers where the policy does not let everything write and masks name columns, none of which they look at:
# reads wear the belt, commits and names from before are asked about, rows are taken apart; of what is allowed
# a client notices nothing.
. "$(dirname "$0")/lib.sh"

policy <<YAML
version: 1
default: {read: allow, session: allow, export: allow, import: allow, admin: allow, define: allow, destroy: allow, execute: allow, other: deny}
resources:
  - name: all
    at: ["127.0.0.1:$E2E_PGPORT"]
    protocol: postgres
rules:
  - name: scratch-and-orders-are-free
    when: {object: ["scratch.*", "orders"], effect: [insert, update, delete]}
    then: allow
masks:
  - name: customers
    columns: ["customers.ssn", "customers.email"]
    as: redact
    unproven: redact
YAML
start_daemon || exit 1
test_jdbc() { same_jdbc strict; }
run_tests
