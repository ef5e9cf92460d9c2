/* image.c - opening, counting and closing images; see image.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/dwarf_int.h"

static struct image *image_new(const char *name)
{
    struct image *img = mem_alloc(sizeof(*img));
    atomic_init(&img->refs, 1);
    arena_init(&img->arena);
    img->name = arena_strdup(&img->arena, name);
    img->go_build_id = img->gnu_build_id = "";
    pthread_mutex_init(&img->lock, NULL);
    pthread_mutex_init(&img->dwarf_lock, NULL);
    pthread_mutex_init(&img->module_lock, NULL);
    return img;
}

static struct err *finish_open(struct image *img, struct image **ret)
{
    struct err *e = elf_parse(img);
    if (e) {
        e = err_wrap(e, "%s", img->name);
        image_unref(img);
        return e;
    }
    *ret = img;
    return NULL;
}

static struct err *open_fd(int fd, const char *name, bool debug_file, struct image **ret)
{
    struct image *img = image_new(name);
    img->debug_file = debug_file;
    struct err *e = file_map_fd(fd, name, &img->file);
    if (e) {
        image_unref(img);
        return e;
    }
    img->bytes = img->file.p;
    img->n = img->file.n;
    return finish_open(img, ret);
}

struct err *image_open_fd(int fd, const char *name, struct image **ret)
{
    return open_fd(fd, name, false, ret);
}

struct err *image_open_as(const char *path, bool debug_file, struct image **ret)
{
    /* a core may name a pipe as its program: that must not make us wait for a writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    struct err *e = open_fd(fd, path, debug_file, ret);
    close(fd);
    return e;
}

struct err *image_open(const char *path, struct image **ret)
{
    return image_open_as(path, false, ret);
}

struct err *image_open_bytes(const void *bytes, size_t n, const char *name, struct image **ret)
{
    struct image *img = image_new(name);
    img->bytes = bytes;
    img->n = n;
    return finish_open(img, ret);
}

struct err *image_open_parts(const struct image_part *parts, size_t n, const char *name,
                             struct image **ret)
{
    struct image *img = image_new(name);
    struct err *e = elf_take_parts(img, parts, n);
    if (e) {
        image_unref(img);
        return err_wrap(e, "%s", name);
    }
    *ret = img;
    return NULL;
}

void image_on_close(struct image *img, void (*fn)(void *arg), void *arg)
{
    img->closed = fn;
    img->closed_arg = arg;
}

struct image *image_ref(struct image *img)
{
    atomic_fetch_add(&img->refs, 1);
    return img;
}

void image_unref(struct image *img)
{
    if (!img || atomic_fetch_sub(&img->refs, 1) != 1)
        return;
    dwarf_close(atomic_load(&img->dwarf));
    free(atomic_load(&img->libraries));
    image_module_free(img->module);
    image_symbols_free(img->symbols);
    image_relocs_free(img->relocs);
    image_unref(img->debug);
    dwarf_frames_close(img->frames);
    for (size_t i = 0; i < img->nsections; i++) {
        free(img->contents[i].owned);
        pthread_mutex_destroy(&img->contents[i].lock);
    }
    file_unmap(&img->file);
    pthread_mutex_destroy(&img->lock);
    pthread_mutex_destroy(&img->dwarf_lock);
    pthread_mutex_destroy(&img->module_lock);
    arena_free(&img->arena);
    if (img->closed)
        img->closed(img->closed_arg);
    free(img);
}

const char *image_name(const struct image *img)
{
    return img->name;
}

bool image_is_pie(const struct image *img)
{
    return img->ehdr.e_type == ET_DYN;
}

uint16_t image_machine(const struct image *img)
{
    return img->ehdr.e_machine;
}

taddr image_entry(const struct image *img)
{
    return img->ehdr.e_entry;
}

size_t image_segments(const struct image *img, const struct image_segment **ret)
{
    *ret = img->segments;
    return img->nsegments;
}

size_t image_sections(const struct image *img, const struct image_section **ret)
{
    *ret = img->sections;
    return img->nsections;
}

const struct image_section *image_find_section(const struct image *img, const char *name)
{
    for (size_t i = 0; i < img->nsections; i++)
        if (strcmp(img->sections[i].name, name) == 0)
            return &img->sections[i];
    return NULL;
}

const uint8_t *image_at(const struct image *img, taddr vaddr, size_t n)
{
    for (size_t i = 0; i < img->nsegments; i++) {
        const struct image_segment *s = &img->segments[i];
        if (vaddr >= s->vaddr && vaddr - s->vaddr <= s->filesz &&
            n <= s->filesz - (vaddr - s->vaddr))
            return s->bytes + (vaddr - s->vaddr);
    }
    return NULL;
}

size_t image_at_most(const struct image *img, taddr vaddr, const uint8_t **ret)
{
    for (size_t i = 0; i < img->nsegments; i++) {
        const struct image_segment *s = &img->segments[i];
        if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz) {
            *ret = s->bytes + (vaddr - s->vaddr);
            return s->filesz - (vaddr - s->vaddr);
        }
    }
    return 0;
}

bool image_eh_frame_hdr(struct image *img, const uint8_t **ret, size_t *ret_n, taddr *ret_vaddr)
{
    const struct image_section *s = image_find_section(img, ".eh_frame_hdr");
    *ret_vaddr = img->eh_frame_hdr_n ? img->eh_frame_hdr : s ? s->vaddr : 0;
    *ret_n = img->eh_frame_hdr_n ? img->eh_frame_hdr_n : s ? s->size : 0;
    *ret = *ret_n ? image_at(img, *ret_vaddr, *ret_n) : NULL;
    return *ret != NULL;
}

const char *image_go_build_id(const struct image *img)
{
    return img->go_build_id;
}

const char *image_gnu_build_id(const struct image *img)
{
    return img->gnu_build_id;
}

struct err *image_buildinfo(struct image *img, const struct image_buildinfo **ret)
{
    struct err *e = NULL;
    pthread_mutex_lock(&img->lock);
    if (!img->buildinfo) {
        struct image_buildinfo *bi = arena_new(&img->arena, struct image_buildinfo);
        e = buildinfo_parse(img, bi);
        if (!e)
            img->buildinfo = bi;
    }
    *ret = img->buildinfo;
    pthread_mutex_unlock(&img->lock);
    return err_wrap(e, "%s", img->name);
}

struct err *image_dwarf(struct image *img, struct dwarf **ret)
{
    struct err *e = NULL;
    pthread_mutex_lock(&img->dwarf_lock);
    *ret = atomic_load(&img->dwarf);
    if (!*ret && !(e = dwarf_open(img, ret)))
        atomic_store(&img->dwarf, *ret);
    pthread_mutex_unlock(&img->dwarf_lock);
    return err_wrap(e, "%s", img->name);
}

bool image_has_dwarf(const struct image *img)
{
    return dwarf_has_sections(img->debug ? img->debug : img);
}

/* ---- libraries ---- */

struct err *image_add_library(struct image *program, struct image *library)
{
    struct libraries *l = atomic_load(&program->libraries), *none = NULL;
    if (!l) {
        l = mem_alloc(sizeof(*l));
        if (!atomic_compare_exchange_strong(&program->libraries, &none, l)) {
            free(l); /* another thread was faster */
            l = none;
        }
    }
    for (uint32_t i = 0; i < IMAGE_LIBRARIES; i++) {
        struct image *free_slot = NULL;
        if (!atomic_compare_exchange_strong(&l->v[i], &free_slot, library))
            continue;
        library->program = program;
        library->number = i + 1;
        return NULL;
    }
    return err_new(ERR_LIMIT, "%s has more than %d libraries", program->name, IMAGE_LIBRARIES);
}

void image_remove_library(struct image *library)
{
    struct image *program = library->program;
    if (!program)
        return;
    atomic_store(&atomic_load(&program->libraries)->v[library->number - 1], NULL);
    library->program = NULL;
}

struct dwarf *image_dwarf_numbered(const struct image *any, uint64_t number)
{
    const struct image *img = any->program ? any->program : any;
    struct libraries *l = atomic_load(&img->libraries);
    if (number && (!l || number > IMAGE_LIBRARIES))
        return NULL;
    if (number)
        img = atomic_load(&l->v[number - 1]);
    return img ? atomic_load(&img->dwarf) : NULL;
}

bool image_path_matches(const char *path, const char *want)
{
    size_t n = strlen(path), k = strlen(want);
    return k && k <= n && strcmp(path + n - k, want) == 0 &&
           (k == n || path[n - k - 1] == '/' || want[0] == '/');
}
