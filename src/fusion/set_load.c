/* A set from bytes (fusion/set_format.h). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "files/bytes.h"
#include "files/mapped.h"
#include "fusion/method.h"
#include "fusion/set.h"
#include "fusion/set_format.h"

/* Of a saved state; the log of weights grows with the faces. */
#define MAX_STATE ((size_t)1 << 30)

/* Reading: every take checks that the bytes are there; after a failure short
 * stays true and the numbers are 0. */
typedef struct reader {
    const unsigned char *p;
    size_t left;
    bool is_short;
    bool is_packed;
} reader;

static const unsigned char *take_bytes(reader *r, size_t n)
{
    const unsigned char *p = r->p;

    if (r->is_short || n > r->left) {
        r->is_short = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static uint64_t take(reader *r, int bytes)
{
    const unsigned char *p = take_bytes(r, (size_t)bytes);
    uint64_t v = 0;

    for (int i = 0; p && i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static double take_double(reader *r)
{
    uint64_t bits = take(r, 8);
    double v = 0.0;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* count numbers of `width` bytes, zeros when they are not there. */
static void take_numbers(reader *r, void *numbers, size_t count, size_t width)
{
    size_t size = 0;
    const unsigned char *p = NULL;

    if (cafi_mul_size(count, width, &size))
        p = take_bytes(r, size);
    else
        r->is_short = true;
    if (p)
        cafi_put_numbers(numbers, p, count, width);
    else if (count)
        memset(numbers, 0, count * width);
}

typedef struct header {
    uint32_t version, flags, method, H;
    double norm_power;
    uint64_t chunk, expected_n, C, M, D, compact;
    char hash[CAFI_SHA256_TEXT];
    uint64_t count, chunk_index, pending, logged, media;
    uint64_t backbone, input, encoding; /* bytes of what the set says of them */
} header;

static void take_header(reader *r, header *h)
{
    const unsigned char *hash = NULL;

    h->flags = (uint32_t)take(r, 4);
    h->method = (uint32_t)take(r, 4);
    h->H = (uint32_t)take(r, 4);
    h->norm_power = take_double(r);
    h->chunk = take(r, 8);
    h->expected_n = take(r, 8);
    h->C = take(r, 8);
    h->M = take(r, 8);
    h->D = take(r, 8);
    h->compact = take(r, 8);
    hash = take_bytes(r, CAFI_SHA256_TEXT - 1);
    if (hash)
        memcpy(h->hash, hash, CAFI_SHA256_TEXT - 1);
    h->count = take(r, 8);
    h->chunk_index = take(r, 8);
    h->pending = take(r, 8);
    h->logged = take(r, 8);
    h->media = take(r, 8);
    h->backbone = h->version >= CAFI_SET_VERSION_SOURCE ? take(r, 8) : 0;
    h->input = h->version >= CAFI_SET_VERSION_SOURCE ? take(r, 8) : 0;
    h->encoding = h->version >= CAFI_SET_VERSION_ENCODING ? take(r, 8) : 0;
}

static caface_status check_start(reader *r, header *h, const char *begins, caface_error *err)
{
    const unsigned char *magic = take_bytes(r, 8);

    if (!magic || memcmp(magic, begins, 8) != 0)
        return cafi_fail(err, CAFACE_EFORMAT, "no saved set: it does not begin with %.7s", begins);
    h->version = (uint32_t)take(r, 4);
    if (!r->is_short && (h->version < CAFI_SET_VERSION || h->version > CAFI_SET_VERSION_ENCODING))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a saved set of version %u, this library reads %u to %u", h->version,
                         CAFI_SET_VERSION, CAFI_SET_VERSION_ENCODING);
    return CAFACE_OK;
}

/* Everything about the bytes that can be told without a model. */
static caface_status check_bytes(reader *r, header *h, caface_error *err)
{
    unsigned char digest[CAFI_SHA256_SIZE];
    size_t size = r->left;
    const unsigned char *start = r->p;
    caface_status st = check_start(r, h, CAFI_SET_MAGIC, err);

    if (st)
        return st;
    if (size < CAFI_SHA256_SIZE + 8)
        return cafi_fail(err, CAFACE_EFORMAT, "a saved set that is cut off after %zu bytes", size);
    cafi_sha256_of(start, size - CAFI_SHA256_SIZE, digest);
    if (memcmp(digest, start + size - CAFI_SHA256_SIZE, CAFI_SHA256_SIZE) != 0)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a saved set of %zu bytes that is damaged or cut off: its checksum does "
                         "not match",
                         size);
    r->left -= CAFI_SHA256_SIZE;
    take_header(r, h);
    return r->is_short
               ? cafi_fail(err, CAFACE_EFORMAT, "a saved set that is cut off after %zu bytes", size)
               : CAFACE_OK;
}

/* The same of a packed set, which nothing vouches for. */
static caface_status check_packed(reader *r, header *h, caface_error *err)
{
    size_t size = r->left;
    caface_status st = check_start(r, h, CAFI_SET_PACKED, err);

    if (st)
        return st;
    take_header(r, h);
    r->is_packed = true;
    return r->is_short ? cafi_fail(err, CAFACE_EFORMAT,
                                   "a packed set that is cut off after %zu bytes", size)
                       : CAFACE_OK;
}

static size_t sums_of(const caface_model *model)
{
    const cafi_member *last = &model->members[model->member_count - 1];

    return last->sums + cafi_restore_state_size(&last->net);
}

static caface_status check_sums(const header *h, const caface_model *model, caface_error *err)
{
    if (h->M != sums_of(model) || h->D || h->compact != model->info.compact ||
        h->C != model->info.C)
        return cafi_fail(
            err, CAFACE_EMODEL, "a saved set of %llu sums, C = %llu; the model has %zu and %zu",
            (unsigned long long)h->M, (unsigned long long)h->C, sums_of(model), model->info.C);
    return CAFACE_OK;
}

static caface_status check_model(const header *h, const caface_model *model, caface_error *err)
{
    if (!caface_method_name((caface_method)h->method))
        return cafi_fail(err, CAFACE_EFORMAT, "a saved set of the unknown method %u", h->method);
    if (!cafi_method_is_network((caface_method)h->method))
        return CAFACE_OK;
    if (!model)
        return cafi_fail(err, CAFACE_EINVAL, "a saved set of the model %s: the model is needed",
                         h->hash);
    if (strcmp(h->hash, model->info.hash) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "a saved set of the model %s, the model given is %s",
                         h->hash, model->info.hash);
    if (h->H != model->info.H)
        return cafi_fail(err, CAFACE_EMODEL,
                         "a saved set of %u attention heads, the model given has %zu", h->H,
                         model->info.H);
    if (model->member_count)
        return check_sums(h, model, err);
    if (h->M != model->info.M || h->D != model->info.D || h->compact != model->info.compact ||
        (model->info.C && h->C != model->info.C))
        return cafi_fail(err, CAFACE_EMODEL,
                         "a saved set with M = %llu, C = %llu, D = %llu; the model has %zu, %zu, "
                         "%zu",
                         (unsigned long long)h->M, (unsigned long long)h->C,
                         (unsigned long long)h->D, model->info.M, model->info.C, model->info.D);
    return CAFACE_OK;
}

/* Floats that are logged of a face. */
static size_t log_width(const header *h, const caface_model *model)
{
    return cafi_method_is_network((caface_method)h->method) ? cafi_network_log_width(model) : 0;
}

/* total += count * width * size, checked. */
static bool add_bytes(size_t *total, uint64_t count, uint64_t width, size_t size)
{
    size_t bytes = 0;

    return count <= SIZE_MAX && width <= SIZE_MAX &&
           cafi_mul_size((size_t)count, (size_t)width, &bytes) &&
           cafi_mul_size(bytes, size, &bytes) && cafi_add_size(*total, bytes, total);
}

/* The bytes of a packed set's sums, which its blocks say; 0: more than there are, or of a width
 * that no block has. */
static size_t packed_size(const reader *r, uint64_t sums)
{
    size_t at = 0;

    for (uint64_t i = 0; i < sums; i += CAFI_PACKED_BLOCK) {
        size_t n = sums - i < CAFI_PACKED_BLOCK ? (size_t)(sums - i) : CAFI_PACKED_BLOCK;

        if (at >= r->left || r->p[at] < CAFI_PACKED_LEAST || r->p[at] > CAFI_PACKED_MOST)
            return 0;
        at += 1 + n * r->p[at];
    }
    return at <= r->left ? at : 0;
}

/* The counts against each other and against the bytes that follow. */
static caface_status check_counts(const header *h, const reader *r, size_t log_width,
                                  caface_error *err)
{
    bool is_dense = r->is_packed && h->method == CAFACE_METHOD_RESTORE;
    bool is_network = cafi_method_is_network((caface_method)h->method);
    size_t width = 0; /* bytes of a number of M's */
    size_t bytes = 0;
    bool ok = h->C > 0 && h->C <= CAFI_MAX_WIDTH && h->D <= SIZE_MAX / 64 &&
              h->compact <= SIZE_MAX / 64 && h->count <= SIZE_MAX && h->pending <= h->count &&
              h->pending <= CAFACE_MAX_CHUNK && h->logged <= h->count &&
              h->logged + h->pending <= h->count && h->chunk_index <= h->count &&
              (is_network || (!h->pending && !h->logged)) && (!is_network || !h->media) &&
              h->backbone <= CAFI_SOURCE_TEXT && h->input <= CAFI_SOURCE_TEXT &&
              h->encoding <= CAFI_ENCODING_TEXT && isfinite(h->norm_power);

    width = h->method == CAFACE_METHOD_RESTORE ? 2 : 1 + h->C + h->D;
    if (ok && is_dense)
        ok = (bytes = packed_size(r, h->M)) > 0;
    ok = ok && (!is_network || is_dense || add_bytes(&bytes, h->M, width, sizeof(double))) &&
         add_bytes(&bytes, h->pending, h->C + h->compact, sizeof(float)) &&
         add_bytes(&bytes, h->logged, log_width, sizeof(float)) &&
         add_bytes(&bytes, h->media, h->C + 2, sizeof(double)) &&
         cafi_add_size(bytes, (size_t)(h->backbone + h->input + h->encoding), &bytes);
    if (!ok || bytes != r->left)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a saved set whose counts do not fit together or its %zu bytes of data",
                         r->left);
    return CAFACE_OK;
}

static caface_status take_rows(reader *r, cafi_rows *rows, size_t n, caface_error *err)
{
    caface_status st = cafi_rows_reserve(rows, n, err);

    if (st)
        return st;
    take_numbers(r, rows->data, n * rows->width, sizeof(float));
    rows->count = n;
    if (cafi_kernels_get()->finite_rows(rows->data, n, rows->width) < n)
        return cafi_fail(err, CAFACE_EFORMAT, "a saved set that holds NaN or Inf");
    return CAFACE_OK;
}

/* n sums of width bytes each, which are there: the low five bytes of each and the others. */
static void unpack_block(int64_t *hi, int64_t *lo, const unsigned char *p, const unsigned char *end,
                         size_t n, size_t width)
{
    int spare = 64 - 8 * (int)(width - 5);

    for (size_t i = 0; i < n; i++, p += width) {
        unsigned char last[CAFI_PACKED_MOST] = {0};
        const unsigned char *one = p;

        if ((size_t)(end - p) < CAFI_PACKED_MOST)
            one = memcpy(last, p, width);
        lo[i] = (int64_t)(cafi_le64(one) & (((uint64_t)1 << 40) - 1));
        hi[i] = (int64_t)(cafi_le64(one + 5) << spare) >> spare;
    }
}

/* check_counts saw that they fit. */
static bool take_packed_sums(reader *r, caface_set *s)
{
    cafi_state *state = &s->state;

    for (size_t i = 0; i < state->sums; i += CAFI_PACKED_BLOCK) {
        size_t n = state->sums - i < CAFI_PACKED_BLOCK ? state->sums - i : CAFI_PACKED_BLOCK;
        size_t width = (size_t)take(r, 1);
        const unsigned char *p = take_bytes(r, n * width);

        unpack_block(state->hi + i, state->lo + i, p, r->p + r->left, n, width);
    }
    return cafi_network_is_sane(s->model, state);
}

/* Exact sums, which must be what faces can have added up to: nothing may wrap later. */
static bool take_sums(reader *r, caface_set *s)
{
    cafi_state *state = &s->state;

    const unsigned char *p = take_bytes(r, 16 * state->sums); /* check_counts saw that they fit */
    int64_t beyond = 0;

    for (size_t i = 0; p && i < state->sums; i++, p += 16) {
        state->hi[i] = (int64_t)cafi_le64(p);
        state->lo[i] = (int64_t)cafi_le64(p + 8);
        beyond |= state->lo[i] >> 40;
    }
    return p && !beyond && cafi_network_is_sane(s->model, state);
}

static bool take_masses(reader *r, caface_set *s)
{
    bool ok = true;

    take_numbers(r, s->state.mass, cafi_state_size(&s->state), sizeof(double));
    for (size_t m = 0; m < s->state.M; m++)
        ok = ok && s->state.mass[m] >= 0.0;
    return ok && cafi_state_is_finite(&s->state);
}

static caface_status take_state(reader *r, caface_set *s, const header *h, caface_error *err)
{
    s->state.empty = (h->flags & CAFI_SET_EMPTY) != 0;
    if (!(!s->state.sums ? take_masses(r, s)
          : r->is_packed ? take_packed_sums(r, s)
                         : take_sums(r, s)))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a saved set whose state holds NaN, Inf, a negative mass or sums that no "
                         "faces have");
    s->chunk_index = (size_t)h->chunk_index;
    s->log_dropped = (h->flags & CAFI_SET_LOG_DROPPED) != 0;
    return CAFACE_OK;
}

static caface_status take_media(reader *r, cafi_baseline *baseline, uint64_t n, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (uint64_t i = 0; !st && i < n; i++) {
        int64_t id = (int64_t)take(r, 8);
        uint64_t count = take(r, 8);
        size_t before = baseline->count;
        cafi_media *m = NULL;

        st = cafi_baseline_media(baseline, id, &m, err);
        if (!st && baseline->count == before)
            st = cafi_fail(err, CAFACE_EFORMAT, "a saved set with the media %lld twice",
                           (long long)id);
        if (!st) {
            take_numbers(r, m->sum, baseline->C, sizeof(double));
            m->count = count;
        }
    }
    return st;
}

/* n bytes of text, NULL for none; *out is the caller's. */
static caface_status take_text(reader *r, char **out, uint64_t n, caface_error *err)
{
    const unsigned char *bytes = n ? take_bytes(r, (size_t)n) : NULL;
    caface_status st = bytes ? CAFI_NEW(out, (size_t)n + 1, err) : CAFACE_OK;

    if (st || !bytes)
        return st;
    memcpy(*out, bytes, (size_t)n);
    return strlen(*out) == n ? CAFACE_OK
                             : cafi_fail(err, CAFACE_EFORMAT,
                                         "a saved set whose backbone or input has a NUL character");
}

static caface_status take_source(reader *r, caface_set *s, const header *h, caface_error *err)
{
    const cafi_source unsaid = {0};
    cafi_source said = {0}, source = {0};
    caface_status st = CAFACE_OK;

    if (!(st = take_text(r, &said.backbone, h->backbone, err)) &&
        !(st = take_text(r, &said.input, h->input, err)) &&
        !(st = take_text(r, &said.encoding, h->encoding, err)))
        st = cafi_source_join(&source, &unsaid, cafi_source_origin(&said, "a saved set"),
                              s->model != NULL, err);
    if (!st && s->model)
        st = cafi_model_check_source(s->model, cafi_source_origin(&source, "a saved set"), err);
    cafi_source_free(&said);
    cafi_set_use_source(s, &source);
    return st;
}

/* Consistency that the options' own checks do not see. */
static caface_status check_progress(const caface_set *s, const header *h, caface_error *err)
{
    size_t length = s->model && !s->model->info.is_sum ? cafi_set_chunk_length(s) : 0;
    bool at_once = s->model && !s->options.chunk && !s->is_planned;

    if (s->model && s->model->info.is_sum && h->pending)
        return cafi_fail(
            err, CAFACE_EFORMAT,
            "a saved set with %llu faces in an unfinished chunk, but a sum has no chunks",
            (unsigned long long)h->pending);

    if (s->model && !s->model->info.is_sum &&
        (h->pending > length || (h->pending == length && !at_once)))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "a saved set with %llu faces in an unfinished chunk of %zu",
                         (unsigned long long)h->pending, length);
    if (s->is_planned && h->count > h->expected_n)
        return cafi_fail(err, CAFACE_EFORMAT, "a saved set of %llu faces, %llu were expected",
                         (unsigned long long)h->count, (unsigned long long)h->expected_n);
    if (s->model && s->options.keep_weights && !s->log_dropped &&
        h->logged + h->pending != h->count)
        return cafi_fail(
            err, CAFACE_EFORMAT, "a saved set of %llu faces with the assignments of %llu",
            (unsigned long long)h->count, (unsigned long long)(h->logged + h->pending));
    return CAFACE_OK;
}

static caface_status restore(caface_set *s, reader *r, const header *h, caface_error *err)
{
    caface_status st = CAFACE_OK;

    s->count = (size_t)h->count;
    s->is_planned = (h->flags & CAFI_SET_PLANNED) != 0;
    if (s->model && (st = take_state(r, s, h, err)))
        return st;
    if ((st = check_progress(s, h, err)))
        return st;
    if (!s->model) {
        st = take_media(r, &s->baseline, h->media, err);
        return st ? st : take_source(r, s, h, err);
    }
    if ((st = take_rows(r, &s->features, (size_t)h->pending, err)) ||
        (st = take_rows(r, &s->compact, (size_t)h->pending, err)) ||
        (st = take_rows(r, &s->log, (size_t)h->logged, err)))
        return st;
    return take_source(r, s, h, err);
}

/* The set that the bytes after the header are of. */
static caface_status load(caface_set **out, const caface_model *model, reader *r, const header *h,
                          caface_error *err)
{
    caface_set_options options;
    caface_set *s = NULL;
    caface_status st = check_model(h, model, err);

    if (st || (st = check_counts(h, r, log_width(h, model), err)))
        return st;
    caface_set_options_init(&options);
    options.method = (caface_method)h->method;
    options.chunk = (size_t)h->chunk;
    options.expected_n = (size_t)h->expected_n;
    options.keep_weights = (h->flags & CAFI_SET_LOG) != 0;
    options.norm_power = h->norm_power;
    options.width = (size_t)h->C;
    st = caface_set_new(&s, cafi_method_is_network(options.method) ? model : NULL, &options, err);
    if (!st)
        st = restore(s, r, h, err);
    if (st) {
        caface_set_free(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

caface_status caface_set_load_memory(caface_set **out, const caface_model *model, const void *bytes,
                                     size_t size, caface_error *err)
{
    reader r = {.p = bytes, .left = size};
    header h = {0};
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "set_load: null argument");
    *out = NULL;
    if (!bytes && size)
        return cafi_fail(err, CAFACE_EINVAL, "set_load: null argument");
    st = check_bytes(&r, &h, err);
    return st ? st : load(out, model, &r, &h, err);
}

caface_status caface_set_unpack(caface_set **out, const caface_model *model, const void *bytes,
                                size_t size, caface_error *err)
{
    reader r = {.p = bytes, .left = size};
    header h = {0};
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "set_unpack: null argument");
    *out = NULL;
    if (!bytes && size)
        return cafi_fail(err, CAFACE_EINVAL, "set_unpack: null argument");
    st = check_packed(&r, &h, err);
    return st ? st : load(out, model, &r, &h, err);
}

/* Read, not mapped: a state is small, and one that another program is writing over
 * must not end this one. */
static caface_status read_file(const char *path, cafi_buf *buf, caface_error *err)
{
    char block[65536];
    ssize_t n = 0;
    int fd = -1;
    caface_status st = cafi_open_regular(&fd, path, err);

    if (st)
        return st;
    while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && buf->size + (size_t)n > MAX_STATE)
            st = cafi_fail(err, CAFACE_ELIMIT, "more than %zu bytes, too many for a state",
                           MAX_STATE);
        else if (n > 0)
            cafi_buf_append(buf, block, (size_t)n);
    if (n < 0)
        st = cafi_fail(err, CAFACE_EIO, "cannot be read: %s", strerror(errno));
    close(fd);
    return st ? st : buf->failed ? cafi_fail_memory(err, buf->size) : CAFACE_OK;
}

caface_status caface_set_load(caface_set **out, const caface_model *model, const char *path,
                              caface_error *err)
{
    cafi_buf buf = {0};
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "set_load: null argument");
    *out = NULL;
    if (!path)
        return cafi_fail(err, CAFACE_EINVAL, "set_load: null argument");
    st = read_file(path, &buf, err);
    if (!st)
        st = caface_set_load_memory(out, model, buf.data, buf.size, err);
    cafi_buf_free(&buf);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}
