#include "cli/feature_set.h"
#include "cli/eval/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "eval/meta_files.h"
#include "cli/interrupt.h"

void eval_defaults(eval_options *o)
{
    o->norm_power = 1.0;
    o->images.precision = "fp32";
    o->bootstrap = 1000;
    o->seed = 1;
}

static int check_images(const char *command, const eval_options *o)
{
    const eval_images_options *i = &o->images;

    if (!i->images) {
        if (i->cache || i->flip || strcmp(i->precision, "fp32") != 0)
            return cli_usage(command, "--cache, --flip and --precision go with "
                                      "--images DIR");
        return CLI_OK;
    }
    if (o->features || o->styles)
        return cli_usage(command, "--images and --features exclude each other");
    if (!o->models.count)
        return cli_usage(command, "--images needs --model M with a backbone");
    if (!o->meta && !(o->templates && i->landmarks))
        return cli_usage(command, "--images needs --meta DIR --dataset NAME, or --landmarks L.txt "
                                  "and --templates T.txt");
    return eval_images_usage(command, i);
}

/* --compare A B, or --compare A,B */
static bool are_two(const cli_list *compare)
{
    const char *comma = compare->count == 1 ? strchr(compare->items[0], ',') : NULL;

    return compare->count == 2 || (comma && !strchr(comma + 1, ','));
}

int eval_check_usage(const char *command, const eval_options *o)
{
    if (!o->features && !o->images.images)
        return cli_usage(command, "--features SET, or --images DIR, is needed");
    if (o->styles && o->features && !cafi_ends_with(o->features, ".npy"))
        return cli_usage(command, "--styles goes with --features F.npy");
    if (o->meta && !o->dataset)
        return cli_usage(command, "--meta needs --dataset NAME");
    if (o->dataset && !o->meta)
        return cli_usage(command, "--dataset needs --meta DIR");
    if (o->meta && o->templates)
        return cli_usage(command, "--meta and --templates exclude each other");
    if (o->compare.count && !are_two(&o->compare))
        return cli_usage(command, "--compare takes two rows of the table: A B");
    if (o->compare.count && !o->bootstrap)
        return cli_usage(command, "--compare needs the bootstrap");
    if (cli_suffix_check(command, "csv", o->csv, "csv", false) ||
        cli_suffix_check(command, "markdown", o->markdown, "md", false))
        return CLI_USAGE;
    return check_images(command, o);
}

/* --- opening ------------------------------------------------------------------- */

caface_status eval_open_set(const eval_input *in, cafi_feature_set **out, caface_error *err)
{
    const eval_options *o = in->o;

    if (in->images)
        return cli_feature_set_open(out, eval_images_set(in->images), err);
    if (cafi_ends_with(o->features, ".npy"))
        return cafi_feature_set_from_files(out, o->features, o->styles, err);
    return cli_feature_set_open(out, o->features, err);
}

/* The list of --templates or --meta, the caller's to free; NULL: neither. */
static caface_status templates_path(const eval_options *o, char **out, caface_error *err)
{
    *out = NULL;
    if (o->templates)
        return cafi_strdup(out, o->templates, err);
    if (o->meta)
        return cafi_meta_find_one(out, o->meta, o->dataset, "_face_tid_mid.txt", err);
    return CAFACE_OK;
}

static caface_status read_templates(eval_input *in, caface_error *err)
{
    char *path = NULL;
    cafi_feature_set *set = NULL;
    caface_status st = templates_path(in->o, &path, err);

    if (!st && path)
        st = cafi_template_list_read(&in->list, path, err);
    else if (!st && !(st = eval_open_set(in, &set, err))) {
        if (set->index)
            st = cafi_template_list_from_index(&in->list, set->index, set->path, err);
        else
            st = cafi_fail(err, CAFACE_EINVAL, "%s: no index.tsv in it: --templates is needed",
                           set->path);
    }
    cafi_feature_set_close(set);
    free(path);
    return st;
}

static caface_status check_recipe(const eval_input *in, const cafi_feature_set *set,
                                  caface_method method, caface_error *err)
{
    const caface_model *model = cli_fusion_for(&in->fusions, method);
    caface_status st = caface_batch_check(model, set, method, err);

    if (!st && model)
        cli_warn_of_styles(set->path, set);
    return st;
}

static caface_status check_model(const eval_input *in, const cafi_feature_set *set,
                                 caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < in->recipe_count; i++)
        st = check_recipe(in, set, in->recipes[i].method, err);
    if (!st && in->o->gallery_method)
        st = check_recipe(in, set, in->gallery.method, err);
    return st;
}

/* The models: a backbone for --images, and the fusion network. */
static caface_status open_models(eval_input *in, caface_error *err)
{
    const eval_options *o = in->o;
    size_t backbone = CLI_NO_BACKBONE;
    caface_status st = CAFACE_OK;

    if (o->images.images &&
        (st = eval_images_open(&in->images, &o->images, &o->models, in->common, &backbone, err)))
        return st;
    return cli_fusions_open(&in->fusions, &o->models, backbone, err);
}

static bool uses_scores(const eval_input *in)
{
    for (size_t i = 0; i < in->recipe_count; i++)
        if (in->recipes[i].scored)
            return true;
    return in->o->gallery_method && in->gallery.scored;
}

/* The list with landmarks and scores: --landmarks, or that of --meta; the caller's to free. */
static caface_status landmarks_path(const eval_options *o, char **out, caface_error *err)
{
    return o->images.landmarks
               ? cafi_strdup(out, o->images.landmarks, err)
               : cafi_meta_find_one(out, o->meta, o->dataset, "_name_5pts_score.txt", err);
}

/* From the set's own index, else from the list that IJB's folders have. */
static caface_status open_scores(eval_input *in, const cafi_feature_set *set, caface_error *err)
{
    const eval_options *o = in->o;
    char *landmarks = NULL, *templates = NULL;
    size_t rows = 0;
    bool is_listed = o->images.landmarks ||
                     (o->meta && !(set->index && cafi_index_column(set->index, "score") >= 0));
    caface_status st = CAFACE_OK;

    if (!is_listed || in->images)
        return cafi_feature_set_scores(set, &in->scores, err);
    if (!(st = landmarks_path(o, &landmarks, err)) && !(st = templates_path(o, &templates, err)))
        st = templates ? eval_listed_scores(&in->scores, &rows, landmarks, templates, err)
                       : cafi_fail(err, CAFACE_EINVAL,
                                   "--landmarks needs --templates T.txt, whose "
                                   "lines it follows");
    if (!st && rows != set->N)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s lists %zu rows, %s has %zu", landmarks, rows,
                       set->path, set->N);
    free(landmarks);
    free(templates);
    return st;
}

/* Opens the feature set and looks at every row. */
static caface_status open_rows(eval_input *in, caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_status st = eval_open_set(in, &set, err);

    if (st)
        return st;
    in->C = set->C;
    if (!(st = check_model(in, set, err)) && uses_scores(in))
        st = open_scores(in, set, err);
    if (!st)
        st = cafi_template_set_new(&in->templates, &in->list, set, eval_uses_network(in), in->pool,
                                   err);
    cafi_feature_set_close(set);
    if (!st)
        st = CAFI_NEW(&in->noted, in->list.count, err);
    return st ? st : cafi_alloc_f32(&in->fused, in->list.count, in->C, err);
}

caface_status eval_open(eval_input *in, const char *command, const cli_common *common,
                        const eval_options *options, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *in = (eval_input){.command = command, .common = common, .o = options};
    if ((st = open_models(in, err)))
        return st;
    in->called_wrongly = true;
    if ((st = eval_choose_methods(in, err)))
        return st;
    if (options->images.landmarks && !in->images && !uses_scores(in))
        return cafi_fail(err, CAFACE_EINVAL,
                         "--landmarks %s: nothing uses it; it is for --images and for methods with "
                         "+score",
                         options->images.landmarks);
    in->called_wrongly = false;
    if (in->images && in->fusions.caface &&
        (st = eval_images_check(in->images, in->fusions.caface, err)))
        return st;
    if (in->images && in->fusions.restore &&
        (st = eval_images_check(in->images, in->fusions.restore, err)))
        return st;
    if ((st = cafi_pool_new(&in->pool, common->threads, err)) || (st = read_templates(in, err)))
        return st;
    return in->images ? CAFACE_OK : open_rows(in, err);
}

static caface_status encode_images(eval_input *in, caface_error *err)
{
    const eval_options *o = in->o;
    char *templates = NULL;
    char *landmarks = NULL;
    caface_status st = templates_path(o, &templates, err);

    if (!st)
        st = landmarks_path(o, &landmarks, err);
    if (!st)
        st = eval_images_encode(in->images, landmarks, templates, in->pool, err);
    free(templates);
    free(landmarks);
    return st;
}

caface_status eval_open_pictures(eval_input *in, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!in->images)
        return CAFACE_OK;
    st = encode_images(in, err);
    return st ? st : open_rows(in, err);
}

bool eval_note_empty(eval_input *in, size_t place)
{
    const cafi_template_list *list = &in->list;
    size_t first = list->first[place];

    if (!in->templates.empty[place])
        return false;
    if (!in->noted[place] && in->noted_count++ < CLI_TOLD)
        cli_warn("%s: line %zu: template %lld has no valid row, each of its %zu holds NaN or Inf: "
                 "it scores 0 with every other",
                 list->path, list->line[list->order[first]], (long long)list->id[place],
                 list->first[place + 1] - first);
    in->noted[place] = true;
    return true;
}

void eval_tell_empty(const eval_input *in)
{
    if (in->noted_count > CLI_TOLD)
        cli_warn("... and %zu more templates without a valid row", in->noted_count - CLI_TOLD);
}

int eval_failed(const eval_input *in, const caface_error *err)
{
    return in->called_wrongly && err->status != CAFACE_ENOMEM
               ? cli_usage(in->command, "%s", err->message)
               : cli_fail(err);
}

int eval_exit_status(const eval_input *in)
{
    return in->images && eval_images_failed(in->images) ? CLI_SKIPPED : CLI_OK;
}

void eval_close(eval_input *in)
{
    cafi_template_set_free(&in->templates);
    cafi_template_list_free(&in->list);
    cli_fusions_close(&in->fusions);
    eval_images_free(in->images);
    cafi_pool_free(in->pool);
    free(in->scores);
    free(in->fused);
    free(in->noted);
    free(in->enrolled);
    free(in->gallery_fused);
}

static bool on_progress(void *ctx, size_t faces)
{
    eval_input *in = ctx;

    cli_progress_update(&in->progress, faces);
    return !cli_interrupted();
}

caface_status eval_fuse(eval_input *in, const eval_recipe *recipe, caface_error *err)
{
    cafi_fuse_options options = {.method = recipe->method,
                                 .norm_power = recipe->power,
                                 .chunk = recipe->chunk,
                                 .scores = recipe->scored ? in->scores : NULL,
                                 .pool = in->pool,
                                 .progress = on_progress,
                                 .progress_ctx = in};
    cafi_feature_set *set = NULL;
    caface_status st = eval_open_set(in, &set, err);

    if (st)
        return st;
    if (set->C != in->C)
        st =
            cafi_fail(err, CAFACE_EFORMAT, "%s: C = %zu, was %zu before", set->path, set->C, in->C);
    cli_progress_begin(&in->progress, recipe->name, in->templates.groups.N,
                       in->common->quiet || in->common->json);
    if (!st)
        st = cafi_template_set_fuse(&in->templates, set,
                                    cli_fusion_for(&in->fusions, recipe->method), options,
                                    in->fused, err);
    cli_progress_end(&in->progress);
    cafi_feature_set_close(set);
    for (size_t t = 0; t < in->list.count && !st && in->gallery_fused; t++)
        if (in->enrolled[t])
            memcpy(in->fused + t * in->C, in->gallery_fused + t * in->C, in->C * sizeof *in->fused);
    return st;
}

caface_status eval_fix_galleries(eval_input *in, bool *enrolled, caface_error *err)
{
    float *fused = NULL;
    caface_status st;

    if (!in->o->gallery_method) {
        free(enrolled);
        return CAFACE_OK;
    }
    in->enrolled = enrolled;
    if ((st = cafi_alloc_f32(&fused, in->list.count, in->C, err)) ||
        (st = eval_fuse(in, &in->gallery, err))) {
        free(fused);
        return st;
    }
    memcpy(fused, in->fused, in->list.count * in->C * sizeof *fused);
    in->gallery_fused = fused;
    return CAFACE_OK;
}
