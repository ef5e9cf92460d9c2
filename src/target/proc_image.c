/* proc_image.c - the program of a running process: its image, and where it is loaded.
 *
 * /proc/PID/exe opens the very file, also when it has been deleted or replaced, or lies in another
 * mount namespace.  Where it may not be opened, the parts that are in memory do (text, read-only
 * and writable data; no section headers, no DWARF).
 *
 * The slide (address = vaddr + slide) comes from what the kernel told the program at its start: the
 * address of its entry point and of its program headers (AT_ENTRY, AT_PHDR). */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/image_int.h"
#include "target/proc_int.h"

/* The process's own root has it, when it is in a container. */
static void find_debug_file(pid_t pid, const char *path, struct image *img)
{
    char root[32];
    snprintf(root, sizeof(root), "/proc/%d/root", pid);
    image_use_debug_file(img, path, root);
}

static struct err *open_exe(pid_t pid, struct image **ret)
{
    char path[64], name[4096];
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ESRCH))
        return denied(pid, errno, "read the program of"); /* it ended meanwhile */
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    ssize_t n = proc_readlink(name, sizeof(name), "/proc/%d/exe", pid);
    struct err *e = image_open_fd(fd, n > 0 ? name : path, ret);
    close(fd);
    if (!e && n > 0)
        find_debug_file(pid, name, *ret);
    return e;
}

/* AT_ENTRY is entry + slide. */
struct err *process_image(struct target *t, pid_t pid, struct image **ret, taddr *ret_slide)
{
    uint64_t auxv[PROC_AUXV_MAX / 8];
    size_t words = proc_auxv(pid, auxv);
    taddr entry = auxv_get(auxv, words, AT_ENTRY), phdr = auxv_get(auxv, words, AT_PHDR);
    struct image *img;
    struct err *e = open_exe(pid, &img);
    if (e && err_code(e) == ERR_SYS && phdr) {
        struct err *e2 = image_from_memory(t, phdr, auxv_get(auxv, words, AT_PHNUM), &img);
        if (e2) {
            err_free(e2);
            return e;
        }
        err_free(e);
        e = NULL;
    }
    TRY(e);
    e = image_slide(t, img, entry, ret_slide);
    if (e)
        image_unref(img);
    else
        *ret = img;
    return e;
}
