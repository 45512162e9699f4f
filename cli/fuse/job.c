#include "cli/feature_set.h"
#include "cli/fuse/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/output.h"
#include "fusion/batch.h"
#include "fusion/gather.h"
#include "fusion/method.h"
#include "fusion/model.h"
#include "cli/fusion_model.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

/* Everything one run holds; freed by release. */
typedef struct job {
    const fuse_options *o;
    caface_method method;
    cli_fusions fusions;
    const caface_model *model; /* the method's, or NULL */
    cafi_pool *pool;
    cafi_feature_set *set; /* NULL: only saved states are merged */
    cafi_groups groups;
    int64_t *media;
    float *templates; /* [T][C] */
    float *weights;   /* [N] or NULL */
    size_t C, faces, T;
    size_t dropped;
    size_t empty; /* templates of which nothing was left */
    size_t chunk;
    caface_set *state; /* with --save-state or --merge */
    cli_progress progress;
    double started;
} job;

bool cli_fuse_ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);

    return a >= b && strcmp(text + a - b, end) == 0;
}

static caface_status open_set(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    bool unknown = false;
    caface_status st = CAFACE_OK;

    if (o->input)
        st = cli_feature_set_open(&j->set, o->input, err);
    else if (o->features)
        st = cafi_feature_set_from_files(&j->set, o->features, o->styles, err);
    if (st || !j->set)
        return st;
    if (!j->set->N)
        return cafi_fail(err, CAFACE_EINVAL, "%s: there are no faces in it", j->set->path);
    st = cafi_gather_check(j->set, j->model, j->method, err);
    if (st || !cafi_method_is_network(j->method))
        return st;
    st = cafi_feature_set_check_model(j->set, o->models.items[0], NULL, j->model->info.hash,
                                      &unknown, err);
    if (!st && unknown && !j->set->S)
        cli_warn("%s: no word of the fusion model that made its compact styles", j->set->path);
    return st;
}

/* A column of the index as integers; NULL when there is none. */
static caface_status read_column(const job *j, const char *name, int64_t **out, caface_error *err)
{
    const cafi_index *index = j->set->index;
    int column = index ? cafi_index_column(index, name) : -1;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (column < 0)
        return CAFACE_OK;
    st = CAFI_NEW(out, j->set->N, err);
    if (!st)
        st = cafi_index_integers(index, (size_t)column, *out, err);
    if (st) {
        free(*out);
        *out = NULL;
    }
    return st;
}

static caface_status read_ids(const job *j, int64_t **out, caface_error *err)
{
    const char *path = j->o->ids;
    cafi_bundle *bundle = NULL;
    const cafi_tensor *t = NULL;
    char shape[128];
    caface_status st = cafi_bundle_open(&bundle, path, err);

    *out = NULL;
    if (st)
        return st;
    t = cafi_bundle_count(bundle) == 1 ? cafi_bundle_at(bundle, 0) : NULL;
    if (!t)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: %zu arrays, one is needed", path,
                       cafi_bundle_count(bundle));
    else if (t->ndim != 1 || t->shape[0] != j->set->N)
        st =
            cafi_fail(err, CAFACE_EFORMAT, "%s: has %s, one number for each of %zu faces is needed",
                      path, cafi_shape_text(shape, sizeof shape, t->ndim, t->shape), j->set->N);
    if (!st)
        st = CAFI_NEW(out, j->set->N, err);
    if (!st) {
        st = cafi_tensor_read_i64(t, 0, j->set->N, *out, err);
        if (st)
            cafi_prefix(err, st, path);
    }
    cafi_bundle_close(bundle);
    return st;
}

/* --ids, else the template column, else one set. */
static caface_status group_rows(job *j, caface_error *err)
{
    int64_t *ids = NULL;
    caface_status st = CAFACE_OK;

    if (j->o->ids)
        st = read_ids(j, &ids, err);
    else if (!j->o->single)
        st = read_column(j, "template", &ids, err);
    if (!st)
        st = ids ? cafi_groups_from_ids(&j->groups, ids, j->set->N, err)
                 : cafi_groups_single(&j->groups, j->set->N, err);
    free(ids);
    if (!st && j->method == CAFACE_METHOD_MEDIA) {
        st = read_column(j, "media", &j->media, err);
        if (!st && !j->media)
            st = cafi_fail(err, CAFACE_EINVAL,
                           "%s: the method media needs a column media in index.tsv", j->set->path);
    }
    return st;
}

static caface_status drop_rows(job *j, caface_error *err)
{
    bool *valid = NULL;
    caface_status st = CAFI_NEW(&valid, j->set->N, err);

    if (st)
        return st;
    st = cafi_gather_valid(j->set, cafi_method_is_network(j->method), j->pool, valid, err);
    if (!st) {
        j->empty = cafi_groups_keep(&j->groups, valid);
        j->dropped = j->set->N - j->groups.N;
        if (!j->groups.T)
            st = cafi_fail(err, CAFACE_EINVAL, "%s: every one of its %zu faces holds NaN or Inf",
                           j->set->path, j->set->N);
    }
    free(valid);
    return st;
}

static bool on_progress(void *ctx, size_t faces)
{
    job *j = ctx;

    cli_progress_update(&j->progress, faces);
    return !cli_interrupted();
}

static cafi_fuse_options batch_options(job *j)
{
    return (cafi_fuse_options){.method = j->method,
                               .norm_power = j->o->norm_power,
                               .chunk = j->chunk,
                               .media = j->media,
                               .pool = j->pool,
                               .progress = on_progress,
                               .progress_ctx = j};
}

static caface_status fuse_templates(job *j, caface_error *err)
{
    cafi_fuse_options options = batch_options(j);
    caface_status st = cafi_alloc_f32(&j->templates, j->groups.T, j->C, err);

    if (!st && j->o->weights)
        st = cafi_alloc_f32(&j->weights, 1, j->set->N, err);
    return st ? st
              : cafi_fuse_batch(j->model, j->set, &j->groups, &options, j->templates, j->weights,
                                err);
}

/* The rows, if any, become a set with a state. */
static caface_status fuse_state(job *j, caface_error *err)
{
    cafi_fuse_options batch = batch_options(j);
    caface_set_options options;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    options.method = j->method;
    options.norm_power = j->o->norm_power;
    options.chunk = j->chunk;
    options.expected_n = j->groups.N;
    options.width = j->C;
    options.threads = j->o->common.threads;
    options.keep_weights = j->o->weights != NULL;
    st = caface_set_new(&j->state, j->model, &options, err);
    if (!st)
        st = cafi_fuse_into(j->state, j->set, j->groups.rows, j->groups.N, &batch, err);
    if (st || !j->o->weights)
        return st;
    st = cafi_alloc_f32(&j->weights, 1, j->set->N, err);
    if (!st)
        st = caface_set_weights(j->state, j->weights, j->groups.N, err);
    /* From the rows that were kept to all of them, from the end on. */
    for (size_t i = j->set->N, left = j->groups.N; !st && i-- > 0;)
        j->weights[i] = left && j->groups.rows[left - 1] == i ? j->weights[--left] : 0.0f;
    return st;
}

static caface_status merge_states(job *j, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < j->o->merge.count; i++) {
        const char *path = j->o->merge.items[i];
        const caface_model *model = j->model ? j->model : cli_fusion_only(&j->fusions);
        caface_set *other = NULL;

        st = caface_set_load(&other, model, path, err);
        if (st)
            return st;
        if (!j->state) {
            j->state = other;
            continue;
        }
        st = caface_set_merge(j->state, other, err);
        caface_set_free(other);
        if (st)
            cafi_prefix(err, st, path);
    }
    return st;
}

static caface_status fuse_one_state(job *j, caface_error *err)
{
    caface_status st = j->set ? fuse_state(j, err) : CAFACE_OK;

    if (!st)
        st = merge_states(j, err);
    if (st)
        return st;
    j->C = caface_set_width(j->state);
    j->faces = caface_set_count(j->state);
    j->T = 1;
    j->method = caface_set_method(j->state);
    if (j->o->method && strcmp(j->o->method, caface_method_name(j->method)) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: a set by %s, not by %s", j->o->merge.items[0],
                         caface_method_name(j->method), j->o->method);
    st = cafi_alloc_f32(&j->templates, 1, j->C, err);
    return st ? st : caface_set_template(j->state, j->templates, err);
}

/* A folder that cannot be written is told before the work, not after it. */
static caface_status check_writable(const char *path, caface_error *err)
{
    cafi_output *output = NULL;
    struct stat there;
    caface_status st = CAFACE_OK;

    if (!path || (stat(path, &there) == 0 && !S_ISREG(there.st_mode)))
        return CAFACE_OK;
    st = cafi_output_open(&output, path, err);
    cafi_output_abort(output);
    return st;
}

/* The method that is asked for, else that of the model; and whether --chunk is of use. */
static caface_status choose_method(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    const caface_model *only = NULL;
    caface_status st = cli_fusions_open(&j->fusions, &o->models, CLI_NO_BACKBONE, err);

    if (!st && o->method)
        st = caface_method_parse(&j->method, o->method, err);
    if (st)
        return st;
    only = cli_fusion_only(&j->fusions);
    if (!o->method && only)
        j->method = only->info.method;
    if (!o->method && !only && o->models.count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s and %s are two fusion models: --method caface or restore says which",
                         j->fusions.caface_path, j->fusions.restore_path);
    j->model = cli_fusion_for(&j->fusions, j->method);
    if (!j->model && cafi_method_is_network(j->method) && only)
        return cafi_fail(err, CAFACE_EMODEL, "%s: the method is %s, the model is for %s",
                         only == j->fusions.caface ? j->fusions.caface_path
                                                   : j->fusions.restore_path,
                         caface_method_name(j->method), caface_method_name(only->info.method));
    if (j->model && j->model->info.is_sum && o->chunk != CLI_FUSE_NO_CHUNK)
        return cafi_fail(err, CAFACE_EINVAL,
                         "--chunk %zu: %s is a sum over faces, chunks have no part in it", o->chunk,
                         j->fusions.restore_path);
    j->chunk = o->chunk != CLI_FUSE_NO_CHUNK ? o->chunk : 512;
    return CAFACE_OK;
}

static caface_status prepare(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = check_writable(o->output, err)) || (st = check_writable(o->weights, err)) ||
        (st = check_writable(o->save_state, err)) || (st = choose_method(j, err)) ||
        (st = open_set(j, err)) || (st = cafi_pool_new(&j->pool, o->common.threads, err)) ||
        !j->set)
        return st;
    if ((st = group_rows(j, err)) || (o->drop_invalid && (st = drop_rows(j, err))))
        return st;
    j->C = j->set->C;
    j->faces = j->groups.N;
    j->T = j->groups.T;
    if (j->T > 1 && (o->merge.count || o->save_state))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: %zu templates, and %s is for one set: add --single", j->set->path,
                         j->T, o->merge.count ? "--merge" : "--save-state");
    if (j->T > 1 && o->output && cli_fuse_ends_with(o->output, ".npy"))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: %zu templates do not fit into %s: name a .npz file, or add --single",
                         j->set->path, j->T, o->output);
    return CAFACE_OK;
}

static caface_status write_results(const job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    size_t shape[2] = {j->T, j->C};
    int64_t zero = 0;
    const int64_t *ids = j->groups.ids ? j->groups.ids : &zero;
    cafi_npz_item items[2] = {
        {.name = "template_ids", .dtype = CAFI_I64, .ndim = 1, .shape = {j->T}, .data = ids},
        {.name = "templates",
         .dtype = CAFI_F32,
         .ndim = 2,
         .shape = {j->T, j->C},
         .data = j->templates}};
    caface_status st = CAFACE_OK;

    if (o->save_state && (st = caface_set_save(j->state, o->save_state, err)))
        return st;
    if (o->weights && (st = cafi_npy_save(o->weights, CAFI_F32, 1, &j->set->N, j->weights, err)))
        return st;
    if (!o->output)
        return CAFACE_OK;
    return cli_fuse_ends_with(o->output, ".npz")
               ? cafi_npz_save(o->output, items, 2, err)
               : cafi_npy_save(o->output, CAFI_F32, 2, shape, j->templates, err);
}

static int print_summary(const job *j)
{
    double seconds = cli_seconds() - j->started;
    cafi_buf buf = {0};
    cafi_json json = {.out = &buf};

    if (j->o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "faces", (int64_t)j->faces);
        cafi_json_int(&json, "templates", (int64_t)j->T);
        cafi_json_string(&json, "method", caface_method_name(j->method));
        if (j->model && j->model->info.is_sum)
            cafi_json_null(&json, "chunk");
        else
            cafi_json_int(&json, "chunk", (int64_t)j->chunk);
        cafi_json_int(&json, "dropped", (int64_t)j->dropped);
        cafi_json_int(&json, "empty_templates", (int64_t)j->empty);
        cafi_json_real(&json, "seconds", seconds);
        cafi_json_end_object(&json);
        if (buf.failed)
            cli_warn("out of memory");
        else
            printf("%s\n", buf.data);
    } else if (!j->o->common.quiet) {
        printf("%zu face%s into %zu template%s by %s", j->faces, j->faces == 1 ? "" : "s", j->T,
               j->T == 1 ? "" : "s", caface_method_name(j->method));
        if (j->dropped)
            printf(", %zu dropped", j->dropped);
        printf(", %.3g s\n", seconds);
    }
    cafi_buf_free(&buf);
    if (j->empty)
        cli_warn("%s: %zu template%s without a valid face left out", j->set->path, j->empty,
                 j->empty == 1 ? "" : "s");
    return j->empty ? CLI_SKIPPED : CLI_OK;
}

static void release(job *j)
{
    caface_set_free(j->state);
    cafi_groups_free(&j->groups);
    cafi_feature_set_close(j->set);
    cli_fusions_close(&j->fusions);
    cafi_pool_free(j->pool);
    free(j->media);
    free(j->templates);
    free(j->weights);
}

static caface_status run_job(job *j, caface_error *err)
{
    bool with_state = j->o->merge.count || j->o->save_state;
    caface_status st = prepare(j, err);

    if (st)
        return st;
    cli_progress_begin(&j->progress, "fusing", j->groups.N,
                       j->o->common.quiet || j->o->common.json);
    st = with_state ? fuse_one_state(j, err) : fuse_templates(j, err);
    cli_progress_end(&j->progress);
    if (!st && cli_interrupted())
        st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return st ? st : write_results(j, err);
}

int cli_fuse_run(const fuse_options *o)
{
    job j = {.o = o, .method = CAFACE_METHOD_CAFACE, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;

    cli_interrupt_begin();
    status = run_job(&j, &err) ? cli_fail(&err) : print_summary(&j);
    release(&j);
    cli_interrupt_end();
    return status;
}
