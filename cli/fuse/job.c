#include "cli/feature_set.h"
#include "cli/fuse/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "caface/batch.h"
#include "cli/fusion_model.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "files/bundle.h"
#include "files/json.h"
#include "files/npy.h"
#include "files/output.h"

/* Everything one run holds; freed by release. */
typedef struct job {
    const fuse_options *o;
    cli_method way;
    const char *path; /* of the faces */
    bool says_chunk;  /* --chunk, or METHOD@CHUNK */
    cli_fusions fusions;
    const caface_model *model; /* the method's, or NULL */
    bool is_sum;               /* that model has no chunks */
    caface_features *set;      /* NULL: only saved states are merged */
    caface_features_info info;
    caface_groups *groups;
    int64_t *media;
    float *scores;    /* [n] or NULL */
    float *templates; /* [T][C] */
    float *weights;   /* [n] or NULL */
    size_t C, faces, T;
    size_t dropped;
    size_t empty;      /* templates of which nothing was left */
    caface_set *state; /* with --save-state or --merge */
    cli_progress progress;
    double started;
} job;

static caface_status open_set(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    caface_status st = CAFACE_OK;

    j->path = o->input ? o->input : o->features;
    if (o->input)
        st = cli_feature_set_open(&j->set, o->input, err);
    else if (o->features)
        st = caface_features_open_arrays(&j->set, o->features, o->styles, err);
    if (st || !j->set)
        return st;
    caface_features_get_info(j->set, &j->info);
    if (!j->info.n)
        return cafi_fail(err, CAFACE_EINVAL, "%s: there are no faces in it", j->path);
    if (caface_method_is_network(j->way.method))
        cli_warn_of_styles(j->path, j->set);
    return CAFACE_OK;
}

/* A column of the index as integers; NULL when there is none. */
static caface_status read_column(const job *j, const char *name, int64_t **out, caface_error *err)
{
    int column = caface_features_column(j->set, name);
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (column < 0)
        return CAFACE_OK;
    st = CAFI_NEW(out, j->info.n, err);
    if (!st)
        st = caface_features_integers(j->set, column, *out, err);
    if (st) {
        free(*out);
        *out = NULL;
    }
    return st;
}

/* The detectors' scores: the column score of the index. */
static caface_status read_scores(job *j, caface_error *err)
{
    int column = caface_features_column(j->set, "score");
    caface_status st = CAFACE_OK;

    if (column < 0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: its index.tsv has no column score, which the weights need", j->path);
    st = cafi_alloc_f32(&j->scores, 1, j->info.n, err);
    return st ? st : caface_features_reals(j->set, column, j->scores, err);
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
    else if (t->ndim != 1 || t->shape[0] != j->info.n)
        st =
            cafi_fail(err, CAFACE_EFORMAT, "%s: has %s, one number for each of %zu faces is needed",
                      path, cafi_shape_text(shape, sizeof shape, t->ndim, t->shape), j->info.n);
    if (!st)
        st = CAFI_NEW(out, j->info.n, err);
    if (!st) {
        st = cafi_tensor_read_i64(t, 0, j->info.n, *out, err);
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
        st = caface_groups_new(&j->groups, ids, j->info.n, err);
    free(ids);
    if (!st && j->way.method == CAFACE_METHOD_MEDIA) {
        st = read_column(j, "media", &j->media, err);
        if (!st && !j->media)
            st = cafi_fail(err, CAFACE_EINVAL,
                           "%s: the method media needs a column media in index.tsv", j->path);
    }
    if (!st && j->way.scored)
        st = read_scores(j, err);
    return st;
}

/* Faces that are left in the groups. */
static size_t count_faces(const job *j)
{
    size_t faces = 0;

    for (size_t t = 0; t < caface_groups_count(j->groups); t++) {
        size_t n = 0;

        (void)caface_groups_rows(j->groups, t, &n);
        faces += n;
    }
    return faces;
}

static caface_status drop_rows(job *j, caface_error *err)
{
    unsigned char *valid = NULL;
    caface_status st = CAFI_NEW(&valid, j->info.n, err);

    if (!st)
        st = caface_features_valid(j->set, caface_method_is_network(j->way.method),
                                   j->o->common.threads, valid, err);
    if (!st) {
        j->empty = caface_groups_keep(j->groups, valid);
        j->dropped = j->info.n - count_faces(j);
        if (!caface_groups_count(j->groups))
            st = cafi_fail(err, CAFACE_EINVAL, "%s: every one of its %zu faces holds NaN or Inf",
                           j->path, j->info.n);
    }
    free(valid);
    return st;
}

static int on_progress(void *ctx, size_t faces)
{
    job *j = ctx;

    cli_progress_update(&j->progress, faces);
    return !cli_interrupted();
}

static caface_batch_options batch_options(job *j)
{
    caface_batch_options options;

    caface_batch_options_init(&options);
    options.method = j->way.method;
    options.norm_power = j->way.power;
    options.chunk = j->way.chunk;
    options.threads = j->o->common.threads;
    options.media = j->media;
    options.scores = j->scores;
    options.progress = on_progress;
    options.progress_context = j;
    return options;
}

static caface_status fuse_templates(job *j, caface_error *err)
{
    caface_batch_options options = batch_options(j);
    caface_status st = cafi_alloc_f32(&j->templates, j->T, j->C, err);

    if (!st && j->o->weights)
        st = cafi_alloc_f32(&j->weights, 1, j->info.n, err);
    return st ? st
              : caface_batch_fuse(j->model, j->set, j->groups, &options, j->templates, j->weights,
                                  NULL, err);
}

/* The rows, if any, become a set with a state. */
static caface_status fuse_state(job *j, caface_error *err)
{
    caface_batch_options batch = batch_options(j);
    caface_set_options options;
    size_t n = 0;
    const size_t *rows = caface_groups_rows(j->groups, 0, &n);
    caface_status st = CAFACE_OK;

    caface_set_options_init(&options);
    options.method = j->way.method;
    options.norm_power = j->way.power;
    options.chunk = j->way.chunk;
    options.expected_n = n;
    options.width = j->C;
    options.threads = j->o->common.threads;
    options.keep_weights = j->o->weights != NULL;
    st = caface_set_new(&j->state, j->model, &options, err);
    if (!st)
        st = caface_batch_push(j->state, j->set, rows, n, &batch, err);
    if (st || !j->o->weights)
        return st;
    st = cafi_alloc_f32(&j->weights, 1, j->info.n, err);
    if (!st)
        st = caface_set_weights(j->state, j->weights, n, err);
    /* From the rows that were kept to all of them, from the end on. */
    for (size_t i = j->info.n, left = n; !st && i-- > 0;)
        j->weights[i] = left && rows[left - 1] == i ? j->weights[--left] : 0.0f;
    return st;
}

/* Where one says what made its features and the other does not, nobody can tell whether
 * they belong together. */
static caface_status check_source(const job *j, const caface_set *other, const char *path,
                                  caface_error *err)
{
    caface_set_options mine, theirs;
    bool knows = false, is_told = false;

    caface_set_get_options(j->state, &mine);
    caface_set_get_options(other, &theirs);
    knows = mine.backbone && mine.input;
    is_told = theirs.backbone && theirs.input;
    if (knows && !is_told)
        cli_warn("%s: it does not tell the backbone and input of its features; the faces it is "
                 "merged with do",
                 path);
    else if (!knows && is_told)
        cli_warn("%s: it tells the backbone and input of its features; the faces it is merged with "
                 "do not",
                 path);
    return cli_check_encoding(path, theirs.encoding, "the faces that it joins", mine.encoding,
                              caface_method_is_network(mine.method), err);
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
        st = check_source(j, other, path, err);
        if (!st && (st = caface_set_merge(j->state, other, err)))
            cafi_prefix(err, st, path);
        caface_set_free(other);
    }
    return st;
}

static caface_status fuse_one_state(job *j, caface_error *err)
{
    caface_set_options made;
    caface_status st = j->set ? fuse_state(j, err) : CAFACE_OK;

    if (!st)
        st = merge_states(j, err);
    if (st)
        return st;
    j->C = caface_set_width(j->state);
    j->faces = caface_set_count(j->state);
    j->T = 1;
    caface_set_get_options(j->state, &made);
    if (j->o->method && j->way.method != made.method)
        return cafi_fail(err, CAFACE_EMODEL, "%s: a set by %s, not by %s", j->o->merge.items[0],
                         caface_method_name(made.method), j->o->method);
    j->way = (cli_method){made.method, made.norm_power, made.chunk, false};
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

/* Without --method, the model decides which of the networks it is. */
static caface_status choose_method(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    const caface_model *only = NULL;
    caface_model_info info = {0};
    caface_status st = cli_fusions_open(&j->fusions, &o->models, CLI_NO_BACKBONE, err);

    if (st)
        return st;
    only = cli_fusion_only(&j->fusions);
    if (only)
        caface_model_get_info(only, &info);
    if (!o->method && only)
        j->way.method = info.method;
    if (!o->method && !only && o->models.count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s and %s are two fusion models: --method caface or restore says which",
                         j->fusions.caface_path, j->fusions.restore_path);
    j->model = cli_fusion_for(&j->fusions, j->way.method);
    if (!j->model && caface_method_is_network(j->way.method) && only)
        return cafi_fail(err, CAFACE_EMODEL, "%s: the method is %s, the model is for %s",
                         only == j->fusions.caface ? j->fusions.caface_path
                                                   : j->fusions.restore_path,
                         caface_method_name(j->way.method), caface_method_name(info.method));
    j->is_sum = j->model && !cli_fusion_has_chunks(&j->fusions, j->way.method);
    if (j->is_sum && j->says_chunk)
        return cafi_fail(err, CAFACE_EINVAL,
                         "chunks of %zu: %s is a sum over faces, chunks have no part in it",
                         j->way.chunk, j->fusions.restore_path);
    return CAFACE_OK;
}

static caface_status prepare(job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    caface_status st = CAFACE_OK;

    if ((st = check_writable(o->output, err)) || (st = check_writable(o->weights, err)) ||
        (st = check_writable(o->save_state, err)) || (st = choose_method(j, err)) ||
        (st = open_set(j, err)) || !j->set)
        return st;
    if ((st = group_rows(j, err)) || (o->drop_invalid && (st = drop_rows(j, err))))
        return st;
    j->C = j->info.C;
    j->faces = count_faces(j);
    j->T = caface_groups_count(j->groups);
    if (j->T > 1 && (o->merge.count || o->save_state))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: %zu templates, and %s is for one set: add --single", j->path, j->T,
                         o->merge.count ? "--merge" : "--save-state");
    if (j->T > 1 && o->output && cafi_ends_with(o->output, ".npy"))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: %zu templates do not fit into %s: name a .npz file, or add --single",
                         j->path, j->T, o->output);
    return CAFACE_OK;
}

static caface_status write_results(const job *j, caface_error *err)
{
    const fuse_options *o = j->o;
    size_t shape[2] = {j->T, j->C};
    int64_t zero = 0;
    const int64_t *ids = j->groups ? caface_groups_ids(j->groups) : &zero;
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
    if (o->weights && (st = cafi_npy_save(o->weights, CAFI_F32, 1, &j->info.n, j->weights, err)))
        return st;
    if (!o->output)
        return CAFACE_OK;
    return cafi_ends_with(o->output, ".npz")
               ? cafi_npz_save(o->output, items, 2, err)
               : cafi_npy_save(o->output, CAFI_F32, 2, shape, j->templates, err);
}

/* Templates without a direction: faces whose features are zero, or cancel out. */
static size_t count_zeros(const job *j)
{
    size_t zeros = 0;

    for (size_t t = 0; j->templates && t < j->T; t++) {
        const float *row = j->templates + t * j->C;
        size_t i = 0;

        while (i < j->C && row[i] == 0.0f)
            i++;
        zeros += i == j->C;
    }
    return zeros;
}

static int print_summary(const job *j)
{
    size_t zeros = count_zeros(j);
    double seconds = cli_seconds() - j->started;
    cafi_buf buf = {0};
    cafi_json json = {.out = &buf};

    if (j->o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "faces", (int64_t)j->faces);
        cafi_json_int(&json, "templates", (int64_t)j->T);
        cafi_json_string(&json, "method", caface_method_name(j->way.method));
        cafi_json_bool(&json, "detector_score", j->way.scored);
        if (!caface_method_is_network(j->way.method) || j->is_sum)
            cafi_json_null(&json, "chunk");
        else
            cafi_json_int(&json, "chunk", (int64_t)j->way.chunk);
        if (j->way.method == CAFACE_METHOD_NORM)
            cafi_json_real(&json, "norm_power", j->way.power);
        cafi_json_int(&json, "dropped", (int64_t)j->dropped);
        cafi_json_int(&json, "empty_templates", (int64_t)j->empty);
        cafi_json_int(&json, "zero_templates", (int64_t)zeros);
        cafi_json_real(&json, "seconds", seconds);
        cafi_json_end_object(&json);
        if (cli_print(&buf))
            return CLI_FAILED;
    } else if (!j->o->common.quiet) {
        cli_say(stdout, "%zu face%s into %zu template%s by %s", j->faces, j->faces == 1 ? "" : "s",
                j->T, j->T == 1 ? "" : "s", caface_method_name(j->way.method));
        if (j->dropped)
            cli_say(stdout, ", %zu dropped", j->dropped);
        cli_say(stdout, ", %.3g s\n", seconds);
    }
    if (j->empty)
        cli_warn("%s: %zu template%s without a valid face left out", j->path, j->empty,
                 j->empty == 1 ? "" : "s");
    if (zeros)
        cli_warn("%zu template%s %s of length 0, not 1: the features are zeros, or cancel out",
                 zeros, cafi_plural(zeros), zeros == 1 ? "is" : "are");
    return j->empty ? CLI_SKIPPED : CLI_OK;
}

static void release(job *j)
{
    caface_set_free(j->state);
    caface_groups_free(j->groups);
    caface_features_close(j->set);
    cli_fusions_close(&j->fusions);
    free(j->media);
    free(j->scores);
    free(j->templates);
    free(j->weights);
}

static caface_status run_job(job *j, caface_error *err)
{
    bool with_state = j->o->merge.count || j->o->save_state;
    caface_status st = prepare(j, err);

    if (st)
        return st;
    cli_progress_begin(&j->progress, "fusing", j->faces, j->o->common.quiet || j->o->common.json);
    st = with_state ? fuse_one_state(j, err) : fuse_templates(j, err);
    cli_progress_end(&j->progress);
    if (!st && cli_interrupted())
        st = cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    return st ? st : write_results(j, err);
}

int cli_fuse_run(const fuse_options *o, const cli_method *way, bool says_chunk)
{
    job j = {.o = o, .way = *way, .says_chunk = says_chunk, .started = cli_seconds()};
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;

    cli_interrupt_begin();
    status = run_job(&j, &err) ? cli_fail(&err) : print_summary(&j);
    release(&j);
    cli_interrupt_end();
    return status;
}
