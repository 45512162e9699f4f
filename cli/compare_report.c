#include "compare_report.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "caface/version.h"
#include "faces/align.h"
#include "files/output.h"
#include "media/image.h"
#include "plot/report.h"
#include "plot/similarity.h"

/* Pictures that a plot has a choice of, the heaviest faces first. */
#define PLOT_PICTURES 400
/* Faces of a track with a picture of their own in the page. */
#define PAGE_PICTURES 1500

/* ---- measuring -------------------------------------------------------------- */

static caface_status fuse(const cli_comparison *c, const cli_track *t, caface_method method,
                          float *template, float *weight, caface_error *err)
{
    caface_set_options options;
    caface_set *set = NULL;
    caface_status st;

    caface_set_options_init(&options);
    options.method = method;
    options.expected_n = t->count;
    options.width = c->probe->C;
    options.keep_weights = weight != NULL;
    st = caface_set_new(&set, c->model, &options, err);
    if (!st)
        st = caface_set_push(set, t->features, t->styles, t->count, err);
    if (!st)
        st = caface_set_template(set, template, err);
    if (!st && weight)
        st = caface_set_weights(set, weight, t->count, err);
    caface_set_free(set);
    return st;
}

static void length_shares(const cli_comparison *c, const cli_track *t, float *weight)
{
    double sum = 0.0;

    for (size_t i = 0; i < t->count; i++) {
        double norm = 0.0;

        for (size_t k = 0; k < c->probe->C; k++)
            norm += (double)t->features[i * c->probe->C + k] * t->features[i * c->probe->C + k];
        weight[i] = (float)sqrt(norm);
        sum += weight[i];
    }
    for (size_t i = 0; i < t->count; i++)
        weight[i] = sum > 0.0 ? (float)(weight[i] / sum) : 1.0f / (float)t->count;
}

static caface_status measure_track(const cli_comparison *c, const cli_track *t, cli_verdict *v,
                                   caface_error *err)
{
    size_t G = c->gallery->count, C = c->probe->C;
    float *template = NULL;
    void *fused = NULL;
    caface_status st;

    (void)((st = cafi_alloc_f32(&v->weight, t->count, 1, err)) ||
           (st = cafi_alloc_f32(&v->similarity, G, t->count, err)) ||
           (st = cafi_alloc(&fused, G * c->method_count, sizeof(double), err)) ||
           (st = cafi_alloc_f32(&template, C, 1, err)));
    v->fused = fused;
    if (!st)
        length_shares(c, t, v->weight);
    for (size_t m = 0; !st && m < c->method_count; m++) {
        bool weigh = c->methods[m] == CAFACE_METHOD_CAFACE;

        st = fuse(c, t, c->methods[m], template, weigh ? v->weight : NULL, err);
        for (size_t g = 0; !st && g < G; g++)
            v->fused[g * c->method_count + m] =
                cli_cosine(template, c->gallery->items[g].template, C);
    }
    for (size_t g = 0; !st && g < G; g++)
        for (size_t i = 0; i < t->count; i++)
            v->similarity[g * t->count + i] =
                (float)cli_cosine(t->features + i * C, c->gallery->items[g].template, C);
    free(template);
    return st;
}

caface_status cli_comparison_measure(cli_comparison *c, caface_error *err)
{
    void *verdicts = NULL;
    caface_status st = cafi_alloc(&verdicts, c->probe->count, sizeof *c->verdicts, err);

    c->verdicts = verdicts;
    for (size_t i = 0; !st && i < c->probe->count; i++)
        st = measure_track(c, &c->probe->tracks[i], &c->verdicts[i], err);
    return st;
}

void cli_comparison_clear(cli_comparison *c)
{
    for (size_t i = 0; c->verdicts && i < c->probe->count; i++) {
        free(c->verdicts[i].weight);
        free(c->verdicts[i].similarity);
        free(c->verdicts[i].fused);
    }
    free(c->verdicts);
    c->verdicts = NULL;
}

/* ---- JSON -------------------------------------------------------------------- */

static void json_gallery(const cli_comparison *c, size_t track, cafi_json *json)
{
    const cli_verdict *v = &c->verdicts[track];

    cafi_json_begin_array(json, "gallery");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", c->gallery->items[g].name);
        cafi_json_begin_object(json, "methods");
        for (size_t m = 0; m < c->method_count; m++) {
            double s = v->fused[g * c->method_count + m];

            cafi_json_begin_object(json, caface_method_name(c->methods[m]));
            cafi_json_real(json, "similarity", s);
            cafi_json_bool(json, "match", s >= c->threshold);
            cafi_json_end_object(json);
        }
        cafi_json_end_object(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void json_faces(const cli_comparison *c, size_t track, cafi_json *json)
{
    const cli_track *t = &c->probe->tracks[track];
    const cli_verdict *v = &c->verdicts[track];

    cafi_json_begin_array(json, "each");
    for (size_t i = 0; i < t->count; i++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "frame", (int64_t)t->points[i].frame);
        cafi_json_real(json, "seconds", t->points[i].seconds);
        cafi_json_real32(json, "score", t->points[i].score);
        cafi_json_real32(json, "weight", v->weight[i]);
        cafi_json_begin_array(json, "similarity");
        for (size_t g = 0; g < c->gallery->count; g++)
            cafi_json_real32(json, NULL, v->similarity[g * t->count + i]);
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

void cli_comparison_json(const cli_comparison *c, cafi_json *json, bool faces)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "probe", c->probe_path);
    cafi_json_int(json, "frames", (int64_t)c->probe->result.frames);
    cafi_json_int(json, "broken_frames",
                  (int64_t)(c->probe->counts.broken + c->probe->counts.missing));
    cafi_json_begin_array(json, "tracks");
    for (size_t i = 0; i < c->probe->count; i++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", c->probe->tracks[i].id);
        cafi_json_int(json, "faces", (int64_t)c->probe->tracks[i].count);
        json_gallery(c, i, json);
        if (faces)
            json_faces(c, i, json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_real(json, "threshold", c->threshold);
    cafi_json_end_object(json);
}

/* ---- the page ---------------------------------------------------------------- */

static void page_picture(cafi_json *json, const char *bytes, size_t size)
{
    cafi_buf text = {0};

    cafi_base64(&text, bytes, size);
    if (text.failed)
        json->out->failed = true;
    else
        cafi_json_string(json, "thumb", text.data ? text.data : "");
    cafi_buf_free(&text);
}

static void page_track(const cli_comparison *c, size_t track, cafi_json *json)
{
    const cli_track *t = &c->probe->tracks[track];
    const cli_verdict *v = &c->verdicts[track];
    size_t best = 0, step = t->count / PAGE_PICTURES + 1;

    for (size_t i = 0; i < t->count; i += step)
        if (v->weight[i] > v->weight[best])
            best = i;
    cafi_json_begin_object(json, NULL);
    cafi_json_int(json, "id", t->id);
    cafi_json_int(json, "faces", (int64_t)t->count);
    cafi_json_int(json, "best", (int64_t)best);
    cafi_json_begin_array(json, "points");
    for (size_t i = 0; i < t->count; i++) {
        const cli_point *p = &t->points[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "frame", (int64_t)p->frame);
        cafi_json_real(json, "seconds", p->seconds);
        cafi_json_real32(json, "share", v->weight[i] * (float)t->count);
        if (i % step == 0)
            page_picture(json, t->pictures.data + p->picture, p->picture_size);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_begin_array(json, "sim");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_array(json, NULL);
        for (size_t i = 0; i < t->count; i++)
            cafi_json_real32(json, NULL, v->similarity[g * t->count + i]);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    cafi_json_begin_array(json, "fused");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_array(json, NULL);
        for (size_t m = 0; m < c->method_count; m++)
            cafi_json_real(json, NULL, v->fused[g * c->method_count + m]);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

static caface_status save_page(const cli_comparison *c, const char *path, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st;

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "version", CAFACE_VERSION);
    cafi_json_string(&json, "probe", c->probe_path);
    cafi_json_int(&json, "frames", (int64_t)c->probe->result.frames);
    cafi_json_real(&json, "threshold", c->threshold);
    cafi_json_bool(&json, "weighed", c->methods[0] == CAFACE_METHOD_CAFACE);
    cafi_json_begin_array(&json, "methods");
    for (size_t m = 0; m < c->method_count; m++)
        cafi_json_string(&json, NULL, caface_method_name(c->methods[m]));
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "gallery");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "name", c->gallery->items[g].name);
        page_picture(&json, c->gallery->items[g].picture.data, c->gallery->items[g].picture.size);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "tracks");
    for (size_t i = 0; i < c->probe->count; i++)
        page_track(c, i, &json);
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    st = text.failed ? cafi_fail_memory(err, text.size)
                     : cafi_report_save(path, text.data, text.size, err);
    cafi_buf_free(&text);
    return st;
}

/* ---- plots -------------------------------------------------------------------- */

typedef struct weighed {
    float weight;
    size_t face;
} weighed;

static int heavier(const void *a, const void *b)
{
    const weighed *p = a, *q = b;

    if (p->weight != q->weight)
        return p->weight > q->weight ? -1 : 1;
    return p->face < q->face ? -1 : p->face > q->face;
}

/* Crops of the heaviest faces, decoded again. *images is the caller's. */
static caface_status plot_pictures(const cli_track *t, const cli_verdict *v,
                                   cafi_similarity_thumb *thumbs, cafi_image *images, size_t count,
                                   caface_error *err)
{
    void *order = NULL;
    weighed *w = NULL;
    caface_status st = cafi_alloc(&order, t->count, sizeof *w, err);

    if (st)
        return st;
    w = order;
    for (size_t i = 0; i < t->count; i++)
        w[i] = (weighed){v->weight[i], i};
    qsort(w, t->count, sizeof *w, heavier);
    for (size_t k = 0; !st && k < count; k++) {
        const cli_point *p = &t->points[w[k].face];

        st = cafi_image_decode(&images[k], t->pictures.data + p->picture, p->picture_size, err);
        thumbs[k] = (cafi_similarity_thumb){w[k].face, images[k].rgb, CAFI_CROP_SIDE};
    }
    free(order);
    return st;
}

/* "DIR/similarity-3-NAME", with only harmless characters of the name. */
static void plot_name(cafi_buf *out, const char *folder, int64_t id, const char *name)
{
    cafi_buf_printf(out, "%s/similarity-%lld-", folder, (long long)id);
    for (; *name; name++)
        cafi_buf_printf(
            out, "%c", isalnum((unsigned char)*name) || *name == '-' || *name == '_' ? *name : '_');
}

static caface_status save_plot(const cli_comparison *c, size_t track, size_t g,
                               const cafi_similarity_thumb *thumbs, size_t thumb_count,
                               const char *folder, caface_error *err)
{
    static const char *const suffixes[] = {".png", ".svg", ".pdf"};
    const cli_track *t = &c->probe->tracks[track];
    const cli_verdict *v = &c->verdicts[track];
    cafi_similarity_star stars[CLI_COMPARE_MAX_METHODS];
    char title[160], subtitle[160];
    cafi_similarity plot = {.title = title,
                            .subtitle = subtitle,
                            .similarity = v->similarity + g * t->count,
                            .weight = v->weight,
                            .count = t->count,
                            .stars = stars,
                            .star_count = c->method_count,
                            .thumbs = thumbs,
                            .thumb_count = thumb_count,
                            .seed = (uint64_t)t->id};
    caface_status st = CAFACE_OK;

    snprintf(title, sizeof title, "Track %lld against %s", (long long)t->id,
             c->gallery->items[g].name);
    snprintf(subtitle, sizeof subtitle, "%zu faces; threshold %.2f", t->count, c->threshold);
    /* The main star is the last one, the first method the most wanted. */
    for (size_t m = 0; m < c->method_count; m++)
        stars[c->method_count - 1 - m] = (cafi_similarity_star){caface_method_name(c->methods[m]),
                                                                v->fused[g * c->method_count + m]};
    for (size_t i = 0; !st && i < 3; i++) {
        cafi_buf path = {0};

        plot_name(&path, folder, t->id, c->gallery->items[g].name);
        cafi_buf_text(&path, suffixes[i]);
        st = path.failed ? cafi_fail_memory(err, path.size)
                         : cafi_similarity_save(&plot, path.data, err);
        cafi_buf_free(&path);
    }
    return st;
}

static caface_status save_plots(const cli_comparison *c, const char *folder, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < c->probe->count; i++) {
        const cli_track *t = &c->probe->tracks[i];
        size_t count = t->count < PLOT_PICTURES ? t->count : PLOT_PICTURES;
        void *thumbs = NULL, *images = NULL;

        (void)((st = cafi_alloc(&thumbs, count, sizeof(cafi_similarity_thumb), err)) ||
               (st = cafi_alloc(&images, count, sizeof(cafi_image), err)) ||
               (st = plot_pictures(t, &c->verdicts[i], thumbs, images, count, err)));
        for (size_t g = 0; !st && g < c->gallery->count; g++)
            st = save_plot(c, i, g, thumbs, count, folder, err);
        for (size_t k = 0; images && k < count; k++)
            cafi_image_clear((cafi_image *)images + k);
        free(thumbs);
        free(images);
    }
    return st;
}

caface_status cli_comparison_save(const cli_comparison *c, const char *folder, caface_error *err)
{
    cafi_buf text = {0}, name = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return cafi_fail(err, CAFACE_EIO, "%s: %s", folder, strerror(errno));
    cli_comparison_json(c, &json, true);
    cafi_buf_printf(&name, "%s/compare.json", folder);
    st = text.failed || name.failed ? cafi_fail_memory(err, text.size)
                                    : cafi_output_save(name.data, text.data, text.size, err);
    cafi_buf_free(&text);
    cafi_buf_free(&name);
    cafi_buf_printf(&name, "%s/report.html", folder);
    if (!st)
        st = name.failed ? cafi_fail_memory(err, name.size) : save_page(c, name.data, err);
    cafi_buf_free(&name);
    if (!st && cafi_plot_available())
        st = save_plots(c, folder, err);
    return st;
}
