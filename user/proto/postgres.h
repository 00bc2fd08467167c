/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL frontend/backend protocol 3.x decoder (PostgreSQL manual, chapter 55). */
#pragma once

#include "proto/proto.h"

extern const struct protocol protocol_postgres;
