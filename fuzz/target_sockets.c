/* Lines of /proc/PID/net/tcp and unix, as the kernel may write them. */
#include <stdlib.h>
#include <string.h>

#include "target/proc_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct proc_socket s;
    if (size)
        memcpy(line, data, size);
    line[size] = '\0';
    if (proc_parse_socket(line, &s) && (!memchr(s.local, '\0', sizeof(s.local)) || !*s.local))
        abort();
    if (proc_parse_unix(line, &s) && !memchr(s.local, '\0', sizeof(s.local)))
        abort();
    free(line);
    return 0;
}
