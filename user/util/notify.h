/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET, if there is one. */
#pragma once

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…" */
void notify_supervisor(const char *state);
