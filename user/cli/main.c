/* SPDX-License-Identifier: Apache-2.0 */
/* holdfast: the tool for people. The commands are in cmds.c, one file each. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
