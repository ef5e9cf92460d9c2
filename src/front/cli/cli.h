/* cli.h - the command line. */
#ifndef GOSPECT_FRONT_CLI_CLI_H
#define GOSPECT_FRONT_CLI_CLI_H

int cli_main(int argc,
             char **argv); /* the exit code: 0 clean, 1 findings, 2 usage, 3 could not look */

#endif
