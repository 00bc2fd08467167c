/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

Test(log, what_others_chose_begins_no_line_of_its_own)
{
	char got[1200] = "";
	int ends[2], kept = dup(STDERR_FILENO);

	cr_assert_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_warn("test", "comm=%s", "\n<0>root: owned\r\x1b[2J\x7f");
	dup2(kept, STDERR_FILENO);
	cr_assert_gt(read(ends[0], got, sizeof(got) - 1), 0);
	cr_expect_eq(strchr(got, '\n'), got + strlen(got) - 1);
	cr_expect(strstr(got, "comm=?<0>root: owned??[2J?\n"));
}
