/* replay.c - runs a fuzz target over the files of the directories it is given, without libFuzzer:
 * so every test run replays the seeds (and what once crashed) with any compiler. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    struct stat st;
    uint8_t *bytes = fstat(fileno(f), &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    size_t n = bytes ? fread(bytes, 1, (size_t)st.st_size, f) : 0;
    fclose(f);
    /* an exact allocation, so that a read behind the end is seen by ASan */
    uint8_t *exact = bytes && n ? memcpy(malloc(n), bytes, n) : NULL;
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned seen = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **names;
        int n = scandir(argv[i], &names, NULL, alphasort);
        for (int k = 0; k < n; k++) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", argv[i], names[k]->d_name);
            struct stat st;
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
                failed += (unsigned)replay_file(path);
                seen++;
            }
            free(names[k]);
        }
        if (n >= 0)
            free(names);
    }
    printf("%u seeds replayed, %u unreadable\n", seen, failed);
    return seen && !failed ? 0 : 1;
}
