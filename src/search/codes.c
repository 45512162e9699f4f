/* From rows to codes. */
#define _GNU_SOURCE /* MADV_HUGEPAGE */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "search/index.h"

#define TASK 2048 /* rows */

/* Lengths are rounded up by this share: of what computing them may have lost. */
#define UP 0x1p-20f

typedef struct worker {
    float *row, *back; /* [C] */
    size_t invalid, empty;
} worker;

typedef struct job {
    caface_index *index;
    const cafi_kernels *kernels;
    worker *workers;
} job;

/* A row that is never found. */
static cafi_coded no_code(const job *j, size_t i)
{
    caface_index *index = j->index;
    uint8_t *memory = index->memory;
    size_t bytes = index->K * cafi_index_type_size(index->codes_type);

    if (memory)
        memset(memory + i * bytes, index->codes_type == CAFACE_INDEX_INT8 ? 128 : 0, bytes);
    return (cafi_coded){.scale = 0.0f, .length = NAN, .error = 0.0f};
}

/* x as half precision: off by the length of what is left. */
static cafi_coded code_half(const job *j, worker *w, size_t i, const float *x)
{
    size_t C = j->index->C;
    uint16_t *to = (uint16_t *)j->index->memory + i * C;
    cafi_coded coded = {.scale = 1.0f};

    j->kernels->narrow(to, x, C);
    j->kernels->widen(w->back, to, C);
    j->kernels->norms(&coded.length, w->back, 1, C);
    for (size_t c = 0; c < C; c++)
        w->back[c] = x[c] - w->back[c];
    j->kernels->norms(&coded.error, w->back, 1, C);
    coded.length *= 1.0f + UP;
    coded.error *= 1.0f + UP;
    return coded;
}

static cafi_coded code_one(const job *j, worker *w, size_t i)
{
    caface_index *index = j->index;
    const float *x = cafi_index_floats(index, j->kernels, i, w->row);
    float length = 0.0f;

    j->kernels->norms(&length, x, 1, index->C);
    if (!(length <= (float)CAFACE_INDEX_LONGEST)) {
        w->invalid++;
        return no_code(j, i);
    }
    if (length < (float)CAFACE_INDEX_SHORTEST) {
        w->empty++;
        return no_code(j, i);
    }
    if (index->codes_type == index->rows_type)
        return (cafi_coded){.scale = 1.0f, .length = length * (1.0f + UP)};
    if (index->codes_type == CAFACE_INDEX_F16)
        return code_half(j, w, i, x);
    return cafi_code_row((uint8_t *)index->memory + i * index->K, x, index->C, index->K);
}

static caface_status code_task(void *ctx, size_t task, size_t number, caface_error *err)
{
    const job *j = ctx;
    size_t n = j->index->n;
    size_t end = n - task * TASK < TASK ? n : (task + 1) * TASK;

    (void)err;
    for (size_t i = task * TASK; i < end; i++) {
        cafi_coded coded = code_one(j, &j->workers[number], i);

        j->index->figures[i] = coded.scale;
        j->index->figures[n + i] = coded.length;
        j->index->figures[2 * n + i] = coded.error;
    }
    return CAFACE_OK;
}

/* Large pages for what every search reads from end to end: a wish, a third faster. */
static void want_large_pages(unsigned char *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t page = (size_t)2 << 20;
    size_t skip = (page - (size_t)memory % page) % page;

    if (bytes > skip + page)
        (void)madvise(memory + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)bytes;
#endif
}

static caface_status make_room(job *j, size_t workers, caface_error *err)
{
    caface_index *index = j->index;
    unsigned char *memory = NULL;
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    if ((st = cafi_alloc(&index->figures, index->n, 3 * sizeof(float), err)) ||
        (st = CAFI_NEW(&j->workers, workers, err)))
        return st;
    for (size_t w = 0; w < workers; w++)
        if ((st = cafi_alloc_f32(&j->workers[w].row, 1, index->C, err)) ||
            (st = cafi_alloc_f32(&j->workers[w].back, 1, index->C, err)))
            return st;
    if (index->codes_type == index->rows_type)
        return CAFACE_OK;
    if (!cafi_mul_size(index->n, index->K * cafi_index_type_size(index->codes_type), &bytes))
        return cafi_fail(err, CAFACE_ENOMEM, "index_new: codes of %zu rows do not fit", index->n);
    st = cafi_alloc_bytes(&memory, bytes ? bytes : 1, err);
    index->memory = memory;
    if (!st)
        want_large_pages(memory, bytes);
    return st;
}

caface_status cafi_codes_make(caface_index *index, cafi_pool *pool, caface_error *err)
{
    job j = {.index = index, .kernels = cafi_kernels_get()};
    size_t workers = cafi_pool_size(pool);
    caface_status st = CAFACE_OK;

    index->K = index->codes_type == CAFACE_INDEX_INT8
                   ? (index->C + CAFI_CODE_BLOCK - 1) / CAFI_CODE_BLOCK * CAFI_CODE_BLOCK
                   : index->C;
    st = make_room(&j, workers, err);
    if (!st)
        st = cafi_pool_run(pool, index->n / TASK + (index->n % TASK != 0), code_task, &j, err);
    for (size_t w = 0; j.workers && w < workers; w++) {
        index->invalid += j.workers[w].invalid;
        index->empty += j.workers[w].empty;
        free(j.workers[w].row);
        free(j.workers[w].back);
    }
    free(j.workers);
    index->scale = index->figures;
    index->length = index->figures + (index->figures ? index->n : 0);
    index->error = index->figures + (index->figures ? 2 * index->n : 0);
    index->codes = index->memory ? index->memory : index->rows;
    return st;
}
