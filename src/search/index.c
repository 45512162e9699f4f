#include "search/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"

#define OPTIONS_LEAST sizeof(caface_index_options)

static const struct {
    const char *name;
    size_t size;
} types[] = {[CAFACE_INDEX_F32] = {"f32", sizeof(float)},
             [CAFACE_INDEX_F16] = {"f16", sizeof(uint16_t)},
             [CAFACE_INDEX_INT8] = {"int8", sizeof(uint8_t)},
             [CAFACE_INDEX_AUTO] = {"auto", 0}};
#define TYPES (sizeof types / sizeof *types)

const char *caface_index_type_name(caface_index_type type)
{
    return (unsigned)type < TYPES ? types[type].name : NULL;
}

size_t cafi_index_type_size(caface_index_type type)
{
    return types[type].size;
}

caface_status caface_index_type_parse(caface_index_type *out, const char *name, caface_error *err)
{
    if (!out || !name)
        return cafi_fail(err, CAFACE_EINVAL, "index_type_parse: null argument");
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(name, types[i].name) == 0) {
            *out = (caface_index_type)i;
            return CAFACE_OK;
        }
    return cafi_fail(err, CAFACE_EINVAL,
                     "%.80s is no type of an index; there are f32, f16, int8, auto", name);
}

static const caface_index_options defaults = {.size = sizeof(caface_index_options),
                                              .codes = CAFACE_INDEX_AUTO};

void caface_index_options_init_sized(caface_index_options *options, size_t size)
{
    caface_index_options own = defaults;

    own.size = size;
    cafi_sized_out(options, size, &own, sizeof own);
}

/* --- lanes ------------------------------------------------------------------- */

static void free_lane(cafi_search_lane *lane)
{
    if (lane)
        cafi_pool_free(lane->pool);
    free(lane);
}

static caface_status new_lane(cafi_search_lane **out, size_t threads, caface_error *err)
{
    cafi_search_lane *lane = NULL;
    caface_status st = CAFI_NEW(&lane, 1, err);

    if (!st)
        st = cafi_pool_new(&lane->pool, threads, err);
    if (st) {
        free_lane(lane);
        return st;
    }
    *out = lane;
    return CAFACE_OK;
}

caface_status cafi_take_lane(cafi_search_lane **out, caface_index *index, caface_error *err)
{
    pthread_mutex_lock(&index->lock);
    *out = index->idle;
    if (index->idle)
        index->idle = index->idle->next;
    pthread_mutex_unlock(&index->lock);
    return *out ? CAFACE_OK : new_lane(out, index->threads, err);
}

void cafi_give_lane(caface_index *index, cafi_search_lane *lane)
{
    pthread_mutex_lock(&index->lock);
    lane->next = index->idle;
    index->idle = lane;
    pthread_mutex_unlock(&index->lock);
}

/* --- making ------------------------------------------------------------------- */

static caface_status read_options(caface_index_options *own, const caface_index_options *options,
                                  caface_error *err)
{
    caface_status st = CAFACE_OK;

    *own = defaults;
    if (options)
        st = cafi_sized_in(own, sizeof *own, options, options->size, OPTIONS_LEAST, "index_new",
                           err);
    if (st)
        return st;
    if (own->rows != CAFACE_INDEX_F32 && own->rows != CAFACE_INDEX_F16)
        return cafi_fail(err, CAFACE_EINVAL, "index_new: rows of type %d: they are f32 or f16",
                         (int)own->rows);
    if (!caface_index_type_name(own->codes))
        return cafi_fail(err, CAFACE_EINVAL, "index_new: codes of type %d are not known",
                         (int)own->codes);
    return CAFACE_OK;
}

static caface_status check_sizes(size_t n, size_t C, caface_error *err)
{
    size_t bytes = 0;

    if (!C)
        return cafi_fail(err, CAFACE_EINVAL, "index_new: rows of no number");
    if (n > CAFACE_INDEX_MOST_ROWS || C > CAFACE_INDEX_MOST_C)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "index_new: %zu rows of %zu numbers, at most %u rows of %d", n, C,
                         CAFACE_INDEX_MOST_ROWS, CAFACE_INDEX_MOST_C);
    if (!cafi_mul_size(n, C * sizeof(float), &bytes))
        return cafi_fail(err, CAFACE_ELIMIT, "index_new: %zu rows of %zu numbers do not fit", n, C);
    return CAFACE_OK;
}

caface_status caface_index_new(caface_index **out, const void *rows, size_t n, size_t C,
                               const caface_index_options *options, caface_error *err)
{
    caface_index_options o;
    caface_index *index = NULL;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || (!rows && n))
        return cafi_fail(err, CAFACE_EINVAL, "index_new: null argument");
    if ((st = read_options(&o, options, err)) || (st = check_sizes(n, C, err)) ||
        (st = CAFI_NEW(&index, 1, err)))
        return st;
    pthread_mutex_init(&index->lock, NULL);
    index->n = n;
    index->C = C;
    index->rows = rows;
    index->rows_type = o.rows;
    if (o.codes == CAFACE_INDEX_AUTO)
        o.codes = n > CAFACE_INDEX_MANY ? CAFACE_INDEX_INT8 : o.rows;
    index->codes_type = o.codes > o.rows ? o.codes : o.rows;
    index->threads = o.threads;
    if (!(st = new_lane(&index->idle, o.threads, err)))
        st = cafi_codes_make(index, index->idle->pool, err);
    if (st)
        caface_index_free(index);
    else
        *out = index;
    return st;
}

void caface_index_free(caface_index *index)
{
    if (!index)
        return;
    for (cafi_search_lane *lane = index->idle, *next = NULL; lane; lane = next) {
        next = lane->next;
        free_lane(lane);
    }
    pthread_mutex_destroy(&index->lock);
    free(index->memory);
    free(index->figures);
    free(index);
}

/* --- what it says ---------------------------------------------------------------- */

void caface_index_get_info_sized(const caface_index *index, caface_index_info *info, size_t size)
{
    caface_index_info own = {
        .size = size,
        .n = index->n,
        .C = index->C,
        .rows = index->rows_type,
        .codes = index->codes_type,
        .invalid = index->invalid,
        .empty = index->empty,
        .bytes =
            index->n * (index->K * cafi_index_type_size(index->codes_type) + 3 * sizeof(float))};

    cafi_sized_out(info, size, &own, sizeof own);
}

const float *cafi_index_floats(const caface_index *index, const cafi_kernels *kernels, size_t i,
                               float *scratch)
{
    if (index->rows_type == CAFACE_INDEX_F32)
        return (const float *)index->rows + i * index->C;
    kernels->widen(scratch, (const uint16_t *)index->rows + i * index->C, index->C);
    return scratch;
}

caface_status caface_index_row(const caface_index *index, size_t i, float *out, caface_error *err)
{
    const float *x = NULL;

    if (!index || !out)
        return cafi_fail(err, CAFACE_EINVAL, "index_row: null argument");
    if (i >= index->n)
        return cafi_fail(err, CAFACE_EINVAL, "index_row: row %zu, but there are %zu", i, index->n);
    x = cafi_index_floats(index, cafi_kernels_get(), i, out);
    if (x != out)
        memcpy(out, x, index->C * sizeof *out);
    return CAFACE_OK;
}
