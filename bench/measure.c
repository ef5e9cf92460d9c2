/* measure.c - measure OUT COMMAND...: runs a command and writes what it cost to OUT, as JSON.
 *
 * A program of its own because the peak memory that the kernel reports for a process is never below
 * what its parent had at the fork: here the parent is this, with 1 MB, instead of a Python. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms(struct timeval t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    double start = now_ms();
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status;
    struct rusage r;
    if (child < 0 || wait4(child, &status, 0, &r) != child)
        return 3;
    double wall = now_ms() - start;
    FILE *out = fopen(argv[1], "w");
    if (!out)
        return 3;
    fprintf(
        out,
        "{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"peak_kib\": %ld, \"exit\": %d, \"signal\": %d}\n",
        wall, ms(r.ru_utime) + ms(r.ru_stime), r.ru_maxrss,
        WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return fclose(out) ? 3 : 0;
}
