#include "fusion/gather.h"

#include <stdlib.h>

#include "base/mem.h"
#include "fusion/method.h"

/* Rows that are checked together. */
#define CHECK_ROWS 1024

static caface_status check_styles(const cafi_feature_set *set, const caface_model *model,
                                  caface_error *err)
{
    if (set->S) {
        if (set->S != model->info.S)
            return cafi_fail(err, CAFACE_EMODEL, "%s: styles have S = %zu, the model S = %zu",
                             set->path, set->S, model->info.S);
        return CAFACE_OK;
    }
    if (!set->compact)
        return cafi_fail(err, CAFACE_EINVAL, "%s: there are no styles, which the method %s needs",
                         set->path, caface_method_name(model->info.method));
    if (set->compact != model->info.compact)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: compact styles have %zu numbers, those of the model %zu", set->path,
                         set->compact, model->info.compact);
    return CAFACE_OK;
}

caface_status cafi_gather_check(const cafi_feature_set *set, const caface_model *model,
                                caface_method method, caface_error *err)
{
    bool unknown = false;
    caface_status st = CAFACE_OK;

    if (!cafi_method_is_network(method))
        return CAFACE_OK;
    if (!model)
        return cafi_fail(err, CAFACE_EINVAL, "the method %s needs a model",
                         caface_method_name(method));
    if (model->info.method != method)
        return cafi_fail(err, CAFACE_EMODEL, "the method is %s, the model is for %s",
                         caface_method_name(method), caface_method_name(model->info.method));
    if (model->info.C && set->C != model->info.C)
        return cafi_fail(err, CAFACE_EMODEL, "%s: features have C = %zu, the model C = %zu",
                         set->path, set->C, model->info.C);
    if ((st = check_styles(set, model, err)))
        return st;
    if ((st =
             cafi_feature_set_check_model(set, "the model", NULL, model->info.hash, &unknown, err)))
        return st;
    return cafi_model_check_source(model, cafi_feature_set_origin(set), err);
}

/* Rows that follow each other in the file are read in one go. */
static size_t run_length(const size_t *rows, size_t n)
{
    size_t run = 1;

    while (run < n && rows[run] == rows[0] + run)
        run++;
    return run;
}

void cafi_gather_features(const cafi_feature_set *set, const size_t *rows, size_t n, float *feat)
{
    for (size_t i = 0, run = 0; i < n; i += run) {
        run = run_length(rows + i, n - i);
        cafi_feature_set_rows(set, rows[i], run, feat + i * set->C, NULL);
    }
}

caface_status cafi_gather_checked(const cafi_feature_set *set, const size_t *rows, size_t n,
                                  float *feat, caface_error *err)
{
    size_t bad = 0;

    cafi_gather_features(set, rows, n, feat);
    bad = cafi_kernels_get()->finite_rows(feat, n, set->C);
    if (bad < n)
        return cafi_fail(err, CAFACE_EINVAL, "%s: features: row %zu holds NaN or Inf", set->path,
                         rows[bad]);
    return CAFACE_OK;
}

caface_status cafi_gather_compact(const cafi_feature_set *set, const caface_model *model,
                                  cafi_scratch *scratch, float *raw, const size_t *rows, size_t n,
                                  float *compact, caface_error *err)
{
    size_t E = model->info.compact;
    size_t bad = 0;

    for (size_t i = 0, run = 0; i < n; i += run) {
        run = run_length(rows + i, n - i);
        if (!set->S) {
            cafi_feature_set_compact(set, rows[i], run, compact + i * E);
            continue;
        }
        run = run < CAFI_STRIP ? run : CAFI_STRIP;
        cafi_tensor_read_f32(set->styles, rows[i] * set->S * 2, run * set->S * 2, raw);
        bad = model->kernels->finite_rows(raw, run, set->S * 2);
        if (bad < run)
            return cafi_fail(err, CAFACE_EINVAL, "%s: styles: row %zu holds NaN or Inf", set->path,
                             rows[i] + bad);
        cafi_network_compact(model, scratch, raw, run, compact + i * E);
    }
    bad = model->kernels->finite_rows(compact, n, E);
    if (bad < n)
        return cafi_fail(err, CAFACE_EINVAL, "%s: styles: row %zu %s", set->path, rows[bad],
                         set->S ? "is beyond what the network can hold" : "holds NaN or Inf");
    return CAFACE_OK;
}

typedef struct validity {
    const cafi_feature_set *set;
    bool with_styles;
    unsigned char *valid;
} validity;

static void check_block(const validity *v, const cafi_tensor *t, size_t first, size_t n,
                        size_t width, float *space)
{
    const cafi_kernels *k = cafi_kernels_get();

    cafi_tensor_read_f32(t, first * width, n * width, space);
    for (size_t i = 0; i < n; i++) {
        i += k->finite_rows(space + i * width, n - i, width);
        if (i < n)
            v->valid[first + i] = 0;
    }
}

static caface_status check_rows(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const validity *v = ctx;
    const cafi_feature_set *set = v->set;
    size_t first = index * CHECK_ROWS;
    size_t n = set->N - first < CHECK_ROWS ? set->N - first : CHECK_ROWS;
    size_t style = set->S ? set->S * 2 : set->compact;
    float *space = NULL;
    caface_status st = CAFACE_OK;

    (void)worker;
    st = cafi_alloc_f32(&space, CHECK_ROWS, set->C > style ? set->C : style, err);
    if (st)
        return st;
    for (size_t i = 0; i < n; i++)
        v->valid[first + i] = 1;
    check_block(v, set->features, first, n, set->C, space);
    if (v->with_styles && style)
        check_block(v, set->S ? set->styles : set->compact_rows, first, n, style, space);
    free(space);
    return CAFACE_OK;
}

caface_status cafi_gather_valid(const cafi_feature_set *set, bool with_styles, cafi_pool *pool,
                                unsigned char *valid, caface_error *err)
{
    validity v = {.set = set, .with_styles = with_styles, .valid = valid};

    return cafi_pool_run(pool, set->N / CHECK_ROWS + (set->N % CHECK_ROWS != 0), check_rows, &v,
                         err);
}

caface_status caface_features_valid(const caface_features *features, int with_styles,
                                    size_t threads, unsigned char *valid, caface_error *err)
{
    cafi_pool *pool = NULL;
    caface_status st = CAFACE_OK;

    if (!features || !valid)
        return cafi_fail(err, CAFACE_EINVAL, "features_valid: null argument");
    if (!(st = cafi_pool_new(&pool, threads, err)))
        st = cafi_gather_valid(features, with_styles != 0, pool, valid, err);
    cafi_pool_free(pool);
    return st;
}
