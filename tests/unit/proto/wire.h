/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL messages as people can read and write them, for the vectors.
 *
 *   Q "SELECT 1"         type, then fields; messages are separated by " ; "
 *   "text"               bytes and a NUL        'text'   bytes alone
 *   7  7h  7b            32, 16, 8 bits         ="text"  length and bytes     null  length -1
 *   M"text"              a letter and "text"    #16a0    bytes in hex
 *   *70000 'x'           the next field that often
 *   @ 196608 "user" …    a message without a type (start-up)
 *   ~ #16                bytes without any framing
 */
#pragma once

#include "util/buf.h"
#include "util/slice.h"

/* Appends the bytes of a line of messages. False: the line makes no sense. */
bool wire_write(struct slice line, struct buf *out);
/* One message as text; to_server chooses how the body is read. Appends. */
void wire_print(struct slice message, bool to_server, struct buf *out);
/* printf into a buf. */
void wire_printf(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
