/* main.c - the program: everything is in front/cli. */
#include "front/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
