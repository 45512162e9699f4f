#include "eval/pairs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "eval/radix.h"
#include "files/list_text.h"

/* The file is read in blocks, in parallel, into buffers rather than through a
 * mapping: 200 MB of text would otherwise count as memory of this process. A
 * block owns the lines that begin in it. */
#define BLOCK ((size_t)4 << 20)
#define MAX_LINE ((size_t)4096)

typedef struct reader {
    const char *path;
    int fd;
    cafi_list_text piped; /* owned: of a list from a pipe, in place of fd */
    size_t size, blocks;
    const cafi_template_list *templates;
    char **buffer;    /* per worker: [1 + BLOCK + MAX_LINE] */
    size_t *lines;    /* [blocks + 1]: newlines before a block */
    size_t *first;    /* [blocks + 1]: pairs before a block */
    size_t *genuine;  /* [blocks] */
    cafi_pair *pairs; /* NULL while counting */
} reader;

/* Part of the file: text[0] is at offset from. */
typedef struct window {
    const char *text;
    size_t from, size;
    size_t start, stop; /* lines that begin in text[start, stop) are this block's */
} window;

static caface_status read_exactly(const reader *r, size_t from, char *to, size_t n,
                                  caface_error *err)
{
    if (r->piped.owned) {
        memcpy(to, r->piped.data + from, n);
        return CAFACE_OK;
    }
    for (size_t got = 0; got < n;) {
        ssize_t k = pread(r->fd, to + got, n - got, (off_t)(from + got));

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return cafi_fail(err, CAFACE_EIO, "%s: %s at byte %zu", r->path,
                             k ? strerror(errno) : "the file became shorter", from + got);
        got += (size_t)k;
    }
    return CAFACE_OK;
}

/* The block, the byte before it, and enough after it to end its last line. */
static caface_status read_block(const reader *r, size_t block, size_t worker, window *w,
                                caface_error *err)
{
    size_t begin = block * BLOCK;
    size_t end = r->size - begin < BLOCK ? r->size : begin + BLOCK;
    size_t to = r->size - end < MAX_LINE ? r->size : end + MAX_LINE;

    w->from = begin ? begin - 1 : 0;
    w->size = to - w->from;
    w->text = r->buffer[worker];
    w->start = begin ? 1 : 0;
    w->stop = end - w->from;
    return read_exactly(r, w->from, r->buffer[worker], w->size, err);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* One field as a whole number; moves *at behind it. */
static bool read_number(const char **at, const char *end, int64_t *out)
{
    const char *p = *at;
    const char *start = NULL;

    while (p < end && is_blank(*p))
        p++;
    start = p;
    while (p < end && !is_blank(*p))
        p++;
    *at = p;
    return cafi_parse_int64(start, (size_t)(p - start), out);
}

static size_t count_fields(const char *p, const char *end)
{
    size_t n = 0;

    while (p < end) {
        while (p < end && is_blank(*p))
            p++;
        if (p < end)
            n++;
        while (p < end && !is_blank(*p))
            p++;
    }
    return n;
}

static caface_status find_template(const reader *r, int64_t id, size_t line, uint32_t *out,
                                   caface_error *err)
{
    *out = cafi_id_find(&r->templates->table, id);
    if (*out == CAFI_NO_ID)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: template %lld has no row in %s",
                         r->path, line, (long long)id, r->templates->path);
    return CAFACE_OK;
}

static caface_status parse_pair(const reader *r, const char *text, const char *end, size_t line,
                                cafi_pair *pair, caface_error *err)
{
    const char *at = text;
    int64_t value[3];
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 3; i++)
        if (!read_number(&at, end, &value[i]) || (i == 2 && count_fields(at, end))) {
            size_t n = count_fields(text, end);

            if (n != 3)
                return cafi_fail(err, CAFACE_EFORMAT,
                                 "%s: line %zu has %zu fields, not template template label",
                                 r->path, line, n);
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: field %d is no whole number",
                             r->path, line, i + 1);
        }
    if (value[2] != 0 && value[2] != 1)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: label %lld, must be 0 or 1", r->path,
                         line, (long long)value[2]);
    if ((st = find_template(r, value[0], line, &pair->a, err)) ||
        (st = find_template(r, value[1], line, &pair->b, err)))
        return st;
    if (value[2])
        pair->a |= CAFI_PAIR_GENUINE;
    return CAFACE_OK;
}

static bool is_empty(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p == end;
}

/* Where the first line of a block's window begins. */
static size_t skip_mark(const window *w)
{
    return w->from == 0 && w->size >= 3 && memcmp(w->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* First pass: how many newlines and pairs a block has. */
static caface_status count_block(void *ctx, size_t block, size_t worker, caface_error *err)
{
    reader *r = ctx;
    window w;
    size_t newlines = 0;
    size_t pairs = 0;
    caface_status st = read_block(r, block, worker, &w, err);

    if (st)
        return st;
    for (size_t i = w.start; i < w.stop; i++)
        newlines += w.text[i] == '\n';
    for (size_t i = skip_mark(&w); i < w.stop;) {
        const char *end = memchr(w.text + i, '\n', w.size - i);
        size_t stop = end ? (size_t)(end - w.text) : w.size;
        bool ours = i || w.from == 0; /* else the rest of the line before */

        if (ours && !is_empty(w.text + i, w.text + stop))
            pairs++;
        i = stop + 1;
    }
    r->lines[block + 1] = newlines;
    r->first[block + 1] = pairs;
    return CAFACE_OK;
}

/* Second pass: the pairs, into their place. */
static caface_status parse_block(void *ctx, size_t block, size_t worker, caface_error *err)
{
    reader *r = ctx;
    window w;
    size_t line = r->lines[block] + 1; /* of the byte at w.start */
    size_t n = r->first[block];
    size_t i = 0;
    caface_status st = read_block(r, block, worker, &w, err);

    if (st)
        return st;
    /* the byte before the block belongs to the line before, or ends it */
    i = skip_mark(&w);
    if (w.from) {
        const char *end = memchr(w.text, '\n', w.size);

        i = end ? (size_t)(end - w.text) + 1 : w.size;
        line += i > w.start;
    }
    for (; !st && i < w.stop; line++) {
        const char *end = memchr(w.text + i, '\n', w.size - i);
        size_t stop = end ? (size_t)(end - w.text) : w.size;

        if (!end && w.from + w.size < r->size)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu is longer than %zu bytes", r->path,
                             line, MAX_LINE);
        if (!is_empty(w.text + i, w.text + stop)) {
            if (n == r->first[block + 1])
                return cafi_fail(err, CAFACE_EIO, "%s: changed while it was read", r->path);
            st = parse_pair(r, w.text + i, w.text + stop, line, &r->pairs[n], err);
            r->genuine[block] += !st && cafi_pair_is_genuine(r->pairs[n]);
            n++;
        }
        i = stop + 1;
    }
    if (!st && n != r->first[block + 1])
        st = cafi_fail(err, CAFACE_EIO, "%s: changed while it was read", r->path);
    return st;
}

static caface_status run_passes(reader *r, cafi_pool *pool, caface_error *err)
{
    caface_status st = cafi_pool_run(pool, r->blocks, count_block, r, err);

    if (st)
        return st;
    for (size_t b = 0; b < r->blocks; b++) {
        r->lines[b + 1] += r->lines[b];
        r->first[b + 1] += r->first[b];
    }
    if (r->first[r->blocks] > UINT32_MAX)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %zu pairs, at most %u are read", r->path,
                         r->first[r->blocks], UINT32_MAX);
    st = CAFI_NEW(&r->pairs, r->first[r->blocks], err);
    return st ? st : cafi_pool_run(pool, r->blocks, parse_block, r, err);
}

static caface_status open_file(reader *r, cafi_pool *pool, caface_error *err)
{
    size_t workers = cafi_pool_size(pool);
    struct stat info;
    caface_status st = CAFACE_OK;

    if (stat(r->path, &info) == 0 && S_ISFIFO(info.st_mode)) {
        if ((st = cafi_list_text_open(&r->piped, r->path, err)))
            return st;
        r->size = r->piped.size;
    } else {
        if ((st = cafi_open_regular(&r->fd, r->path, err)))
            return cafi_prefix(err, st, r->path);
        if (fstat(r->fd, &info))
            return cafi_fail(err, CAFACE_EIO, "%s: %s", r->path, strerror(errno));
        r->size = (size_t)info.st_size;
    }
    r->blocks = r->size / BLOCK + (r->size % BLOCK != 0);
    if ((st = CAFI_NEW(&r->lines, r->blocks + 1, err)) ||
        (st = CAFI_NEW(&r->first, r->blocks + 1, err)) ||
        (st = CAFI_NEW(&r->genuine, r->blocks, err)) || (st = CAFI_NEW(&r->buffer, workers, err)))
        return st;
    for (size_t w = 0; !st && w < workers; w++)
        st = CAFI_NEW(&r->buffer[w], 1 + BLOCK + MAX_LINE, err);
    return st;
}

static void close_file(reader *r, cafi_pool *pool)
{
    if (r->fd >= 0)
        close(r->fd);
    cafi_list_text_close(&r->piped);
    if (r->buffer)
        for (size_t w = 0; w < cafi_pool_size(pool); w++)
            free(r->buffer[w]);
    free(r->buffer);
    free(r->lines);
    free(r->first);
    free(r->genuine);
}

/* Pairs that were listed before, whichever way round: equal neighbours once
 * they are sorted. */
static caface_status count_duplicates(cafi_pair_list *list, caface_error *err)
{
    uint64_t *keys = NULL;
    uint64_t *scratch = NULL;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&keys, list->count, err)) || (st = CAFI_NEW(&scratch, list->count, err))) {
        free(keys);
        return st;
    }
    for (size_t i = 0; i < list->count; i++) {
        uint64_t a = cafi_pair_a(list->pairs[i]);
        uint64_t b = list->pairs[i].b;

        keys[i] = a < b ? a << 32 | b : b << 32 | a;
    }
    cafi_radix_u64(keys, scratch, list->count);
    for (size_t i = 1; i < list->count; i++)
        list->duplicates += keys[i] == keys[i - 1];
    free(keys);
    free(scratch);
    return CAFACE_OK;
}

caface_status cafi_pairs_read(cafi_pair_list *out, const char *path,
                              const cafi_template_list *templates, cafi_pool *pool,
                              caface_error *err)
{
    reader r = {.path = path, .fd = -1, .piped = {.map = {.fd = -1}}, .templates = templates};
    cafi_pair_list list = {0};
    caface_status st = open_file(&r, pool, err);

    *out = list;
    if (!st)
        st = run_passes(&r, pool, err);
    list.pairs = r.pairs;
    if (!st) {
        list.count = r.first[r.blocks];
        for (size_t b = 0; b < r.blocks; b++)
            list.genuine += r.genuine[b];
        list.impostor = list.count - list.genuine;
        st = count_duplicates(&list, err);
    }
    close_file(&r, pool);
    if (st)
        cafi_pairs_free(&list);
    else
        *out = list;
    return st;
}

void cafi_pairs_free(cafi_pair_list *list)
{
    free(list->pairs);
    *list = (cafi_pair_list){0};
}

/* --- subjects from genuine pairs ------------------------------------------- */

static uint32_t find_root(uint32_t *parent, uint32_t t)
{
    while (parent[t] != t) {
        parent[t] = parent[parent[t]]; /* halves the path: near constant time */
        t = parent[t];
    }
    return t;
}

caface_status cafi_pairs_subjects(const cafi_pair_list *list, size_t templates, uint32_t *out,
                                  size_t *count, caface_error *err)
{
    uint32_t *parent = NULL;
    caface_status st = CAFI_NEW(&parent, templates, err);

    if (st)
        return st;
    for (size_t t = 0; t < templates; t++)
        parent[t] = (uint32_t)t;
    for (size_t i = 0; i < list->count; i++) {
        uint32_t a = 0;
        uint32_t b = 0;

        if (!cafi_pair_is_genuine(list->pairs[i]))
            continue;
        a = find_root(parent, cafi_pair_a(list->pairs[i]));
        b = find_root(parent, list->pairs[i].b);
        /* the smaller number is the root, so that roots come first */
        if (a < b)
            parent[b] = a;
        else
            parent[a] = b;
    }
    *count = 0;
    for (size_t t = 0; t < templates; t++) {
        uint32_t root = find_root(parent, (uint32_t)t);

        out[t] = root == t ? (uint32_t)(*count)++ : out[root];
    }
    free(parent);
    return CAFACE_OK;
}
