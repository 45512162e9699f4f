/* caface plot similarity: faces and templates against a gallery, as a picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/feature_set.h"
#include "cli/command.h"
#include "files/json.h"
#include "cli/similarity.h"
#include "files/feature_set.h"

typedef struct plot_options {
    cli_common common;
    cli_list models;
    const char *input;
    const char *gallery;
    const char *label;
    cli_list methods;
    double norm_power;
    cli_list chunks;
    size_t seed;
    const char *title;
    const char *subtitle;
    cli_list outputs;
} plot_options;

static const cli_option options[] = {
    {"model", 'm', CLI_LIST, offsetof(plot_options, models), "M",
     "a fusion model; needed for the methods caface and restore, one each", 0, 0},
    {"input", 'i', CLI_STRING, offsetof(plot_options, input), "SET",
     "feature set whose rows are the dots, all of one person", 0, 0},
    {"gallery", 'g', CLI_STRING, offsetof(plot_options, gallery), "SET",
     "feature set whose rows, averaged, are the gallery template", 0, 0},
    {"label", 0, CLI_STRING, offsetof(plot_options, label), "TEXT",
     "take the gallery's rows with this label only", 0, 0},
    {"method", 0, CLI_LIST, offsetof(plot_options, methods), "NAME",
     "caface, restore, average, norm or unit; may be repeated (default: all that the models allow)",
     0, 0},
    {"norm-power", 0, CLI_REAL, offsetof(plot_options, norm_power), "P",
     "power of the method norm (default 7)", -100, 100},
    {"chunk", 0, CLI_LIST, offsetof(plot_options, chunks), "N",
     "faces of a chunk of a network, 0 for all at once; may be repeated (default 512)", 0, 0},
    {"seed", 0, CLI_SIZE, offsetof(plot_options, seed), "S", "of the dots' heights (default 1)", 0,
     1e15},
    {"title", 0, CLI_STRING, offsetof(plot_options, title), "TEXT", "above the picture", 0, 0},
    {"subtitle", 0, CLI_STRING, offsetof(plot_options, subtitle), "TEXT", "below the title", 0, 0},
    {"output", 'o', CLI_LIST, offsetof(plot_options, outputs), "FILE",
     "the picture, .png, .svg or .pdf; may be repeated", 0, 0},
    {0},
};

static void defaults(void *arg)
{
    plot_options *o = arg;

    o->norm_power = 7;
    o->seed = 1;
}

/* The ways to fuse, in the order asked for. */
typedef struct ways {
    cli_way items[CAFI_SIMILARITY_MAX_STARS];
    size_t count;
    bool chunks_used;
} ways;

static caface_status add_way(ways *w, const plot_options *o, caface_method method, size_t chunk,
                             caface_error *err)
{
    if (w->count == CAFI_SIMILARITY_MAX_STARS)
        return cafi_fail(err, CAFACE_EINVAL, "more methods and chunks than a plot has room for, %d",
                         CAFI_SIMILARITY_MAX_STARS);
    cli_way_set(&w->items[w->count++], method, o->norm_power, chunk);
    return CAFACE_OK;
}

static caface_status add_network(ways *w, const plot_options *o, const cli_fusions *fusions,
                                 caface_method method, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!cli_fusion_for(fusions, method))
        return cafi_fail(err, CAFACE_EINVAL, "the method %s needs --model",
                         caface_method_name(method));
    if (!cli_fusion_has_chunks(fusions, method))
        return add_way(w, o, method, 0, err);
    w->chunks_used = true;
    if (o->chunks.count == 0)
        return add_way(w, o, method, 512, err);
    for (size_t i = 0; i < o->chunks.count && !st; i++) {
        char *end = NULL;
        unsigned long long chunk = strtoull(o->chunks.items[i], &end, 10);

        if (o->chunks.items[i][0] < '0' || o->chunks.items[i][0] > '9' || *end ||
            chunk > CAFACE_MAX_CHUNK)
            return cafi_fail(err, CAFACE_EINVAL, "--chunk %s: not a number from 0 to %d",
                             o->chunks.items[i], CAFACE_MAX_CHUNK);
        st = add_way(w, o, method, (size_t)chunk, err);
    }
    return st;
}

static caface_status add_method(ways *w, const plot_options *o, const cli_fusions *fusions,
                                caface_method method, caface_error *err)
{
    if (method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL,
                         "--method media: not in this plot; caface, restore, average, norm or "
                         "unit");
    return caface_method_is_network(method) ? add_network(w, o, fusions, method, err)
                                            : add_way(w, o, method, 0, err);
}

/* Without --method all that the models allow; caface at least. */
static caface_status list_ways(ways *w, const plot_options *o, const cli_fusions *fusions,
                               caface_error *err)
{
    static const caface_method all[] = {CAFACE_METHOD_UNIT, CAFACE_METHOD_AVERAGE,
                                        CAFACE_METHOD_NORM, CAFACE_METHOD_CAFACE,
                                        CAFACE_METHOD_RESTORE};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < o->methods.count && !st; i++) {
        caface_method method = CAFACE_METHOD_AVERAGE;

        st = caface_method_parse(&method, o->methods.items[i], err);
        if (!st)
            st = add_method(w, o, fusions, method, err);
    }
    for (size_t i = 0; !o->methods.count && i < sizeof all / sizeof *all && !st; i++)
        if (!caface_method_is_network(all[i]) || cli_fusion_for(fusions, all[i]) ||
            (all[i] == CAFACE_METHOD_CAFACE && !fusions->restore))
            st = add_method(w, o, fusions, all[i], err);
    if (!st && o->chunks.count && !w->chunks_used)
        st = cafi_fail(err, CAFACE_EINVAL, "--chunk %s: no method has chunks", o->chunks.items[0]);
    return st;
}

static int print_json(const plot_options *o, const cafi_feature_set *set, const ways *w,
                      const cli_similarity *s)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "faces", (int64_t)set->N);
    cafi_json_begin_array(&json, "results");
    for (size_t k = 0; k < w->count; k++) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "method", caface_method_name(w->items[k].method));
        if (caface_method_is_network(w->items[k].method))
            cafi_json_int(&json, "chunk", (int64_t)w->items[k].chunk);
        cafi_json_real(&json, "similarity", s->stars[k].similarity);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "pictures");
    for (size_t i = 0; i < o->outputs.count; i++)
        cafi_json_string(&json, NULL, o->outputs.items[i]);
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static caface_status draw(const plot_options *o, const ways *w, const cli_fusions *fusions,
                          const cafi_feature_set *set, const cafi_feature_set *gallery,
                          caface_error *err)
{
    cli_similarity s = {0};
    float *template = NULL;
    bool unknown = false;
    caface_status st = CAFACE_OK;

    if ((st = cafi_feature_set_check_match(set, gallery, &unknown, err)))
        return st;
    if (set->C != gallery->C)
        return cafi_fail(err, CAFACE_EMODEL, "%s has features of width %zu, %s of width %zu",
                         set->path, set->C, gallery->path, gallery->C);
    if ((st = cafi_alloc_f32(&template, 1, gallery->C, err)) ||
        (st = cli_gallery_template(gallery, o->gallery, o->label, template, err)) ||
        (st = cli_similarity_measure(&s, fusions, set, template, w->items, w->count,
                                     o->common.threads, err)))
        goto done;
    for (size_t i = 0; i < o->outputs.count && !st; i++)
        st = cafi_similarity_save(&(cafi_similarity){.title = o->title,
                                                     .subtitle = o->subtitle,
                                                     .similarity = s.similarity,
                                                     .weight = s.weight,
                                                     .count = set->N,
                                                     .stars = s.stars,
                                                     .star_count = w->count,
                                                     .seed = o->seed},
                                  o->outputs.items[i], err);
    if (st)
        goto done;
    if (o->common.json)
        st = print_json(o, set, w, &s) ? cafi_fail_memory(err, 0) : CAFACE_OK;
    else if (!o->common.quiet)
        for (size_t k = 0; k < w->count; k++)
            cli_say(stdout, "%-24s %.4f\n", w->items[k].name, s.stars[k].similarity);
done:
    cli_similarity_free(&s);
    free(template);
    return st;
}

static int run(void *arg)
{
    const plot_options *o = arg;
    caface_error err = {0};
    ways w = {0};
    cli_fusions fusions = {0};
    cafi_feature_set *set = NULL, *gallery = NULL;
    caface_status st = CAFACE_OK;
    int status = CLI_OK;

    if (!o->input || !o->gallery || !o->outputs.count)
        return cli_usage("plot similarity", "%s is missing",
                         !o->input     ? "--input"
                         : !o->gallery ? "--gallery"
                                       : "--output");
    for (size_t i = 0; i < o->outputs.count; i++)
        if ((status = cli_plot_check("plot similarity", o->outputs.items[i])))
            return status;
    if ((st = cli_fusions_open(&fusions, &o->models, CLI_NO_BACKBONE, &err)))
        goto done;
    if (list_ways(&w, o, &fusions, &err)) {
        cli_fusions_close(&fusions);
        return cli_usage("plot similarity", "%s", err.message);
    }
    if ((st = cli_feature_set_open(&set, o->input, &err)) ||
        (st = cli_feature_set_open(&gallery, o->gallery, &err)))
        goto done;
    st = draw(o, &w, &fusions, set, gallery, &err);
done:
    cafi_feature_set_close(gallery);
    cafi_feature_set_close(set);
    cli_fusions_close(&fusions);
    return st ? cli_fail(&err) : CLI_OK;
}

const cli_command cli_plot_similarity = {
    .name = "plot similarity",
    .summary = "draw the faces of a set and its templates against a gallery",
    .synopsis = "--model M --input SET --gallery SET [--label TEXT] -o FILE...",
    .text = "Every dot is a face of SET: its place is the cosine similarity to the gallery\n"
            "template, its height is random, its colour is its weight in the template of\n"
            "the last method that is a network. A star stands at the similarity of each method's\n"
            "template. All rows of SET are taken as one person's, whatever its index says.",
    .example = "  caface plot similarity --model data/sample/model.safetensors \\\n"
               "    --input data/sample/long --gallery data/sample/gallery --label 51 \\\n"
               "    --title \"640 poor pictures of one person\" -o plot.png -o plot.svg",
    .options = options,
    .options_size = sizeof(plot_options),
    .defaults = defaults,
    .run = run,
};
