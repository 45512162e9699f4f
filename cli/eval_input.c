#include "eval_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fusion/gather.h"
#include "fusion_model.h"
#include "interrupt.h"

void eval_defaults(eval_options *o)
{
    o->norm_power = 1.0;
    o->images.precision = "fp32";
    o->bootstrap = 1000;
    o->seed = 1;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);

    return a >= b && strcmp(text + a - b, end) == 0;
}

static int check_images(const char *command, const eval_options *o)
{
    const eval_images_options *i = &o->images;

    if (!i->images) {
        if (i->landmarks || i->cache || i->flip || strcmp(i->precision, "fp32") != 0)
            return cli_usage(command, "--landmarks, --cache, --flip and --precision go with "
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
    return CLI_OK;
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
    if (o->styles && o->features && !ends_with(o->features, ".npy"))
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
    return check_images(command, o);
}

char *eval_meta_path(const eval_options *o, const char *suffix)
{
    static const char *const folders[] = {"", "meta/"};
    cafi_buf path = {0};
    struct stat info;

    for (int f = 0; f < 2; f++) {
        cafi_buf_free(&path);
        cafi_buf_printf(&path, "%s/%s", o->meta, folders[f]);
        for (const char *c = o->dataset; *c; c++) {
            char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;

            cafi_buf_append(&path, &lower, 1);
        }
        cafi_buf_text(&path, suffix);
        if (path.failed) {
            cafi_buf_free(&path);
            return NULL;
        }
        if (stat(path.data, &info) == 0)
            break;
    }
    return path.data;
}

/* --- recipes ------------------------------------------------------------------ */

static caface_status add_recipe(eval_input *in, caface_method method, double power, size_t chunk,
                                caface_error *err)
{
    eval_recipe r = {.method = method, .power = power, .chunk = chunk};
    const char *name = caface_method_name(method);

    if (method == CAFACE_METHOD_CAFACE)
        snprintf(r.name, sizeof r.name, "%s@%zu", name, chunk);
    else if (method == CAFACE_METHOD_NORM && power != 1)
        snprintf(r.name, sizeof r.name, "%s:%g", name, power);
    else
        snprintf(r.name, sizeof r.name, "%s", name);
    for (size_t i = 0; i < in->recipe_count; i++)
        if (strcmp(in->recipes[i].name, r.name) == 0)
            return CAFACE_OK; /* asked for twice */
    if (in->recipe_count == EVAL_MAX_RECIPES)
        return cafi_fail(err, CAFACE_ELIMIT, "more than %d methods and chunk sizes",
                         EVAL_MAX_RECIPES);
    in->recipes[in->recipe_count++] = r;
    return CAFACE_OK;
}

static caface_status parse_chunk(const char *text, size_t size, size_t *out, caface_error *err)
{
    int64_t value = 0;

    if (!cafi_parse_int64(text, size, &value) || value < 0 || value > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_EINVAL, "chunk %.*s: must be a whole number from 0 to %d",
                         (int)size, text, CAFACE_MAX_CHUNK);
    *out = (size_t)value;
    return CAFACE_OK;
}

/* caface with every chunk size of --chunk. */
static caface_status add_caface(eval_input *in, caface_error *err)
{
    const char *text = in->o->chunk ? in->o->chunk : "512";
    caface_status st = CAFACE_OK;

    for (;;) {
        size_t size = strcspn(text, ",");
        size_t chunk = 0;

        if ((st = parse_chunk(text, size, &chunk, err)) ||
            (st = add_recipe(in, CAFACE_METHOD_CAFACE, 1, chunk, err)) || !text[size])
            return st;
        text += size + 1;
    }
}

/* One word of --method. */
static caface_status add_word(eval_input *in, const char *word, caface_error *err)
{
    char name[64];
    size_t size = strcspn(word, ":@");
    const char *tail = word + size;
    caface_method method = CAFACE_METHOD_CAFACE;
    double power = in->o->norm_power;
    size_t chunk = 0;
    char *end = NULL;
    caface_status st = CAFACE_OK;

    snprintf(name, sizeof name, "%.*s", (int)(size < 63 ? size : 63), word);
    if (strcmp(name, "media-average") == 0)
        name[strlen("media")] = '\0';
    if ((st = caface_method_parse(&method, name, err)))
        return st;
    if (*tail == ':' && method == CAFACE_METHOD_NORM) {
        power = strtod(tail + 1, &end);
        if (end == tail + 1 || *end || !(power >= -100 && power <= 100))
            return cafi_fail(err, CAFACE_EINVAL, "method %s: the power must lie in -100..100",
                             word);
    } else if (*tail == '@' && method == CAFACE_METHOD_CAFACE) {
        st = parse_chunk(tail + 1, strlen(tail + 1), &chunk, err);
        return st ? st : add_recipe(in, method, 1, chunk, err);
    } else if (*tail)
        return cafi_fail(err, CAFACE_EINVAL, "method %s: only norm:POWER and caface@CHUNK", word);
    return method == CAFACE_METHOD_CAFACE ? add_caface(in, err)
                                          : add_recipe(in, method, power, 0, err);
}

caface_status eval_parse_recipe(eval_input *in, const char *word, eval_recipe *out,
                                caface_error *err)
{
    eval_input one = {.o = in->o, .model = in->model};
    caface_status st = add_word(&one, word, err);

    if (!st && one.recipe_count != 1)
        st = cafi_fail(err, CAFACE_EINVAL, "method %s: one chunk size is needed: caface@CHUNK",
                       word);
    if (!st && one.recipes[0].method == CAFACE_METHOD_CAFACE && !in->model)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "the method caface needs --model M with a fusion network");
    if (!st)
        *out = one.recipes[0];
    return st;
}

static caface_status add_words(eval_input *in, caface_error *err)
{
    const char *text = in->o->method;
    caface_status st = CAFACE_OK;

    for (;;) {
        char word[64];
        size_t size = strcspn(text, ",");

        snprintf(word, sizeof word, "%.*s", (int)(size < 63 ? size : 63), text);
        if ((st = add_word(in, word, err)) || !text[size])
            return st;
        text += size + 1;
    }
}

/* Without --method: every one that has what it needs. */
static caface_status add_all(eval_input *in, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = add_recipe(in, CAFACE_METHOD_AVERAGE, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_MEDIA, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_UNIT, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_NORM, in->o->norm_power, 0, err)) || !in->model)
        return st;
    return add_caface(in, err);
}

static caface_status find_recipe(const eval_input *in, const char *name, size_t size, size_t *out,
                                 caface_error *err)
{
    cafi_buf known = {0};

    for (size_t i = 0; i < in->recipe_count; i++) {
        const eval_recipe *r = &in->recipes[i];
        const char *method = caface_method_name(r->method);

        if ((strlen(r->name) == size && memcmp(r->name, name, size) == 0) ||
            (strlen(method) == size && memcmp(method, name, size) == 0)) {
            *out = i;
            return CAFACE_OK;
        }
    }
    for (size_t i = 0; i < in->recipe_count; i++)
        cafi_buf_printf(&known, "%s%s", i ? ", " : "", in->recipes[i].name);
    cafi_fail(err, CAFACE_EINVAL, "--compare: %.*s is no row of the table: %s", (int)size, name,
              known.failed ? "" : known.data);
    cafi_buf_free(&known);
    return CAFACE_EINVAL;
}

caface_status eval_find_compared(const eval_input *in, size_t out[2], caface_error *err)
{
    const cli_list *compare = &in->o->compare;
    const char *a = compare->count ? compare->items[0] : "";
    size_t size = strcspn(a, ",");
    const char *b = compare->count == 2 ? compare->items[1] : a + size + 1;
    caface_status st = CAFACE_OK;

    if (!compare->count)
        return CAFACE_OK;
    st = find_recipe(in, a, compare->count == 2 ? strlen(a) : size, &out[0], err);
    return st ? st : find_recipe(in, b, strlen(b), &out[1], err);
}

/* --- opening ------------------------------------------------------------------- */

static caface_status open_set(const eval_input *in, cafi_feature_set **out, caface_error *err)
{
    const eval_options *o = in->o;

    if (in->images)
        return cafi_feature_set_open(out, eval_images_set(in->images), err);
    if (ends_with(o->features, ".npy"))
        return cafi_feature_set_from_files(out, o->features, o->styles, err);
    return cafi_feature_set_open(out, o->features, err);
}

/* The list of --templates or --meta, the caller's to free; NULL: neither. */
static caface_status templates_path(const eval_options *o, char **out, caface_error *err)
{
    *out = NULL;
    if (o->templates)
        return cafi_strdup(out, o->templates, err);
    if (o->meta && !(*out = eval_meta_path(o, "_face_tid_mid.txt")))
        return cafi_fail_memory(err, 0);
    return CAFACE_OK;
}

static caface_status read_templates(eval_input *in, caface_error *err)
{
    char *path = NULL;
    cafi_feature_set *set = NULL;
    caface_status st = templates_path(in->o, &path, err);

    if (!st && path)
        st = cafi_template_list_read(&in->list, path, err);
    else if (!st && !(st = open_set(in, &set, err))) {
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

static bool uses(const eval_input *in, caface_method method)
{
    for (size_t i = 0; i < in->recipe_count; i++)
        if (in->recipes[i].method == method)
            return true;
    return false;
}

static caface_status check_model(const eval_input *in, const cafi_feature_set *set,
                                 caface_error *err)
{
    bool unknown = false;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < in->recipe_count; i++)
        if ((st = cafi_gather_check(set, in->model, in->recipes[i].method, err)))
            return st;
    if (!uses(in, CAFACE_METHOD_CAFACE))
        return CAFACE_OK;
    st = cafi_feature_set_check_model(set, in->o->models.items[0], NULL, in->model->info.hash,
                                      &unknown, err);
    if (!st && unknown && !set->S)
        cli_warn("%s: no word of the fusion model that made its compact styles", set->path);
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
    return cli_open_fusion(&in->model, &o->models, backbone, err);
}

/* Opens the feature set and looks at every row. */
static caface_status open_rows(eval_input *in, caface_error *err)
{
    cafi_feature_set *set = NULL;
    caface_status st = open_set(in, &set, err);

    if (st)
        return st;
    in->C = set->C;
    if (!(st = check_model(in, set, err)))
        st = cafi_template_set_new(&in->templates, &in->list, set, uses(in, CAFACE_METHOD_CAFACE),
                                   in->pool, err);
    cafi_feature_set_close(set);
    if (!st)
        st = cafi_alloc((void **)&in->noted, in->list.count, sizeof *in->noted, err);
    return st ? st : cafi_alloc_f32(&in->fused, in->list.count, in->C, err);
}

caface_status eval_open(eval_input *in, const char *command, const cli_common *common,
                        const eval_options *options, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *in = (eval_input){.command = command, .common = common, .o = options};
    if ((st = open_models(in, err)) ||
        (st = options->method ? add_words(in, err) : add_all(in, err)))
        return st;
    if (uses(in, CAFACE_METHOD_CAFACE) && !in->model)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the method caface needs --model M with a fusion network");
    if (uses(in, CAFACE_METHOD_CAFACE) && in->images &&
        (st = eval_images_check(in->images, in->model, err)))
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

    if (!st && o->images.landmarks)
        st = cafi_strdup(&landmarks, o->images.landmarks, err);
    else if (!st && !(landmarks = eval_meta_path(o, "_name_5pts_score.txt")))
        st = cafi_fail_memory(err, 0);
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

int eval_exit_status(const eval_input *in)
{
    return in->images && eval_images_failed(in->images) ? CLI_SKIPPED : CLI_OK;
}

void eval_close(eval_input *in)
{
    cafi_template_set_free(&in->templates);
    cafi_template_list_free(&in->list);
    caface_model_free(in->model);
    eval_images_free(in->images);
    cafi_pool_free(in->pool);
    free(in->fused);
    free(in->noted);
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
                                 .pool = in->pool,
                                 .progress = on_progress,
                                 .progress_ctx = in};
    cafi_feature_set *set = NULL;
    caface_status st = open_set(in, &set, err);

    if (st)
        return st;
    if (set->C != in->C)
        st =
            cafi_fail(err, CAFACE_EFORMAT, "%s: C = %zu, was %zu before", set->path, set->C, in->C);
    cli_progress_begin(&in->progress, recipe->name, in->templates.groups.N,
                       in->common->quiet || in->common->json);
    if (!st)
        st = cafi_template_set_fuse(&in->templates, set, in->model, options, in->fused, err);
    cli_progress_end(&in->progress);
    cafi_feature_set_close(set);
    return st;
}
