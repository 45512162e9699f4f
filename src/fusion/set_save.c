/* A set to bytes (fusion/set_format.h). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "files/bytes.h"
#include "files/output.h"
#include "fusion/set.h"
#include "fusion/set_format.h"
#include "math/exact.h"

static void put(cafi_buf *buf, uint64_t v, int bytes)
{
    unsigned char b[8];

    for (int i = 0; i < bytes; i++)
        b[i] = (unsigned char)(v >> (8 * i));
    cafi_buf_append(buf, b, (size_t)bytes);
}

static void put_double(cafi_buf *buf, double v)
{
    uint64_t bits = 0;

    memcpy(&bits, &v, sizeof bits);
    put(buf, bits, 8);
}

/* count numbers of `width` bytes. */
static void put_numbers(cafi_buf *buf, const void *numbers, size_t count, size_t width)
{
    const unsigned char *from = numbers;
    unsigned char block[2048];
    size_t most = sizeof block / width;

    for (size_t i = 0, n = 0; i < count; i += n) {
        n = count - i < most ? count - i : most;
        cafi_put_numbers(block, from + i * width, n, width);
        cafi_buf_append(buf, block, n * width);
    }
}

static size_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

static uint32_t version_of(const cafi_source *source)
{
    return source->encoding                    ? CAFI_SET_VERSION_ENCODING
           : source->backbone || source->input ? CAFI_SET_VERSION_SOURCE
                                               : CAFI_SET_VERSION;
}

static void put_header(cafi_buf *buf, const caface_set *s, const char *magic)
{
    const caface_model *m = s->model;
    uint32_t version = version_of(&s->source);
    uint32_t flags =
        (s->is_planned ? CAFI_SET_PLANNED : 0) | (s->options.keep_weights ? CAFI_SET_LOG : 0) |
        (s->log_dropped ? CAFI_SET_LOG_DROPPED : 0) | (s->state.empty ? CAFI_SET_EMPTY : 0);

    cafi_buf_append(buf, magic, 8);
    put(buf, version, 4);
    put(buf, flags, 4);
    put(buf, (uint64_t)s->options.method, 4);
    put(buf, m ? m->info.H : 0, 4);
    put_double(buf, s->options.norm_power);
    put(buf, s->options.chunk, 8);
    put(buf, s->options.expected_n, 8);
    put(buf, s->C, 8);
    put(buf, m ? m->member_count ? s->state.sums : m->info.M : 0, 8);
    put(buf, m ? m->info.D : 0, 8);
    put(buf, m ? m->info.compact : 0, 8);
    cafi_buf_append(buf, m ? m->info.hash : "", m ? CAFI_SHA256_TEXT - 1 : 0);
    for (size_t i = 0; !m && i < CAFI_SHA256_TEXT - 1; i++)
        cafi_buf_append(buf, "0", 1);
    put(buf, s->count, 8);
    put(buf, s->chunk_index, 8);
    put(buf, s->features.count, 8);
    put(buf, s->log.count, 8);
    put(buf, s->baseline.count, 8);
    if (version >= CAFI_SET_VERSION_SOURCE) {
        put(buf, length_of(s->source.backbone), 8);
        put(buf, length_of(s->source.input), 8);
    }
    if (version >= CAFI_SET_VERSION_ENCODING)
        put(buf, length_of(s->source.encoding), 8);
}

/* Carried: the same bytes for the same faces, whatever their order was. */
static void put_sums(cafi_buf *buf, const cafi_state *state)
{
    unsigned char block[128][16];

    for (size_t i = 0, n = 0; i < state->sums; i += n) {
        n = state->sums - i < 128 ? state->sums - i : 128;
        for (size_t j = 0; j < n; j++) {
            int64_t hi = state->hi[i + j], lo = state->lo[i + j];

            cafi_exact_carry(&hi, &lo, 1);
            cafi_put_le64(block[j], (uint64_t)hi);
            cafi_put_le64(block[j] + 8, (uint64_t)lo);
        }
        cafi_buf_append(buf, block, n * sizeof block[0]);
    }
}

/* How many bytes the widest of n carried sums takes. */
static size_t width_of(const int64_t *hi, size_t n)
{
    uint64_t bits = 0;
    size_t width = CAFI_PACKED_LEAST;

    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)(hi[i] < 0 ? ~hi[i] : hi[i]);
    for (bits >>= 7; bits; bits >>= 8)
        width++;
    return width;
}

/* A few thousand small numbers in sixteen bytes each are mostly signs. */
static void pack_sums(cafi_buf *buf, const cafi_state *state)
{
    int64_t hi[CAFI_PACKED_BLOCK], lo[CAFI_PACKED_BLOCK];
    unsigned char block[1 + CAFI_PACKED_BLOCK * CAFI_PACKED_MOST + 16];

    for (size_t i = 0, n = 0; i < state->sums; i += n) {
        size_t width = 0;
        unsigned char *p = block + 1;

        n = state->sums - i < CAFI_PACKED_BLOCK ? state->sums - i : CAFI_PACKED_BLOCK;
        memcpy(hi, state->hi + i, n * sizeof *hi);
        memcpy(lo, state->lo + i, n * sizeof *lo);
        cafi_exact_carry(hi, lo, n);
        block[0] = (unsigned char)(width = width_of(hi, n));
        for (size_t j = 0; j < n; j++, p += width) { /* the next one lies over what is too long */
            uint64_t low = (uint64_t)lo[j] | (uint64_t)hi[j] << 40, high = (uint64_t)(hi[j] >> 24);

            cafi_put_numbers(p, &low, 1, 8);
            if (width > 8)
                cafi_put_numbers(p + 8, &high, 1, 8);
        }
        cafi_buf_append(buf, block, 1 + n * width);
    }
}

static void put_all(cafi_buf *buf, const caface_set *s, bool is_packed)
{
    put_header(buf, s, is_packed ? CAFI_SET_PACKED : CAFI_SET_MAGIC);
    if (s->state.sums && is_packed)
        pack_sums(buf, &s->state);
    else if (s->state.sums)
        put_sums(buf, &s->state);
    else if (s->model)
        put_numbers(buf, s->state.mass, cafi_state_size(&s->state), sizeof(double));
    put_numbers(buf, s->features.data, s->features.count * s->features.width, sizeof(float));
    put_numbers(buf, s->compact.data, s->compact.count * s->compact.width, sizeof(float));
    put_numbers(buf, s->log.data, s->log.count * s->log.width, sizeof(float));
    for (size_t i = 0; i < s->baseline.count; i++) {
        const cafi_media *m = &s->baseline.media[i];

        put(buf, (uint64_t)m->id, 8);
        put(buf, m->count, 8);
        put_numbers(buf, m->sum, s->C, sizeof(double));
    }
    cafi_buf_append(buf, s->source.backbone, length_of(s->source.backbone));
    cafi_buf_append(buf, s->source.input, length_of(s->source.input));
    cafi_buf_append(buf, s->source.encoding, length_of(s->source.encoding));
}

static caface_status give(cafi_buf *buf, void **bytes, size_t *size, const char *what,
                          caface_error *err)
{
    if (buf->failed) {
        cafi_buf_free(buf);
        return cafi_fail(err, CAFACE_ENOMEM, "%s: out of memory", what);
    }
    *bytes = buf->data;
    *size = buf->size;
    return CAFACE_OK;
}

caface_status caface_set_save_memory(const caface_set *set, void **bytes, size_t *size,
                                     caface_error *err)
{
    cafi_buf buf = {0};
    unsigned char digest[CAFI_SHA256_SIZE];

    if (!set || !bytes || !size)
        return cafi_fail(err, CAFACE_EINVAL, "set_save_memory: null argument");
    *bytes = NULL;
    *size = 0;
    put_all(&buf, set, false);
    if (!buf.failed) {
        cafi_sha256_of(buf.data, buf.size, digest);
        cafi_buf_append(&buf, digest, sizeof digest);
    }
    return give(&buf, bytes, size, "set_save", err);
}

caface_status caface_set_pack(const caface_set *set, void **bytes, size_t *size, caface_error *err)
{
    cafi_buf buf = {0};

    if (!set || !bytes || !size)
        return cafi_fail(err, CAFACE_EINVAL, "set_pack: null argument");
    *bytes = NULL;
    *size = 0;
    put_all(&buf, set, true);
    return give(&buf, bytes, size, "set_pack", err);
}

caface_status caface_set_save(const caface_set *set, const char *path, caface_error *err)
{
    void *bytes = NULL;
    size_t size = 0;
    caface_status st = CAFACE_OK;

    if (!path)
        return cafi_fail(err, CAFACE_EINVAL, "set_save: null argument");
    st = caface_set_save_memory(set, &bytes, &size, err);
    if (!st)
        st = cafi_output_save(path, bytes, size, err);
    free(bytes);
    return st;
}
