/* The similarity plots of `caface compare`. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/compare/report.h"
#include "faces/align.h"
#include "media/image.h"
#include "plot/similarity.h"

/* Pictures that a plot has a choice of, the heaviest faces first. */
#define PLOT_PICTURES 400

/* Crops of the heaviest faces, decoded again. *images is the caller's. */
static caface_status plot_pictures(const cafi_probe *probe, const cafi_probe_track *t,
                                   cafi_similarity_thumb *thumbs, cafi_image *images, size_t count,
                                   caface_error *err)
{
    size_t *order = NULL;
    cafi_buf jpeg = {0};
    caface_status st = cafi_probe_heaviest(t, &order, err);

    for (size_t k = 0; !st && k < count; k++) {
        jpeg.size = 0;
        (void)((st = cafi_probe_picture(probe, &t->points[order[k]], &jpeg, err)) ||
               (st = cafi_image_decode(&images[k], jpeg.data, jpeg.size, err)));
        thumbs[k] = (cafi_similarity_thumb){order[k], images[k].rgb, CAFI_CROP_SIDE};
    }
    free(order);
    cafi_buf_free(&jpeg);
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

/* One track against one identity. similarity and weight are f32 [faces]. */
typedef struct pair {
    const cafi_probe_track *track;
    size_t identity;
    const float *similarity, *weight;
    const cafi_similarity_thumb *thumbs;
    size_t thumb_count;
} pair;

static caface_status save_plot(const cafi_comparison *c, const pair *p, const char *folder,
                               caface_error *err)
{
    static const char *const suffixes[] = {".png", ".svg", ".pdf"};
    const cafi_probe_track *t = p->track;
    const char *name = c->gallery->items[p->identity].name;
    cafi_similarity_star stars[CAFI_COMPARE_MAX_METHODS];
    char title[160], subtitle[160];
    cafi_similarity plot = {.title = title,
                            .subtitle = subtitle,
                            .similarity = p->similarity,
                            .weight = p->weight,
                            .count = t->count,
                            .stars = stars,
                            .star_count = c->method_count,
                            .thumbs = p->thumbs,
                            .thumb_count = p->thumb_count,
                            .seed = (uint64_t)t->id};
    caface_status st = CAFACE_OK;

    snprintf(title, sizeof title, "Track %lld against %s", (long long)t->id, name);
    snprintf(subtitle, sizeof subtitle, "%zu faces; threshold %.2f", t->count, c->threshold);
    /* The main star is the last one, the first method the most wanted. */
    for (size_t m = 0; m < c->method_count; m++)
        stars[c->method_count - 1 - m] = (cafi_similarity_star){
            caface_method_name(c->methods[m]), t->fused[p->identity * c->method_count + m]};
    for (size_t i = 0; !st && i < 3; i++) {
        cafi_buf path = {0};

        plot_name(&path, folder, t->id, name);
        cafi_buf_text(&path, suffixes[i]);
        st = path.failed ? cafi_fail_memory(err, path.size)
                         : cafi_similarity_save(&plot, path.data, err);
        cafi_buf_free(&path);
    }
    return st;
}

/* A track against every identity. */
static caface_status save_track(const cafi_comparison *c, const cafi_probe_track *t,
                                const char *folder, caface_error *err)
{
    size_t G = c->gallery->count, count = t->count < PLOT_PICTURES ? t->count : PLOT_PICTURES;
    void *thumbs = NULL, *images = NULL;
    float *similarity = NULL, *weight = NULL;
    caface_status st;

    (void)((st = cafi_alloc(&thumbs, count, sizeof(cafi_similarity_thumb), err)) ||
           (st = cafi_alloc(&images, count, sizeof(cafi_image), err)) ||
           (st = cafi_alloc_f32(&similarity, t->count, 1, err)) ||
           (st = cafi_alloc_f32(&weight, t->count, 1, err)) ||
           (st = plot_pictures(c->probe, t, thumbs, images, count, err)));
    for (size_t i = 0; !st && i < t->count; i++)
        weight[i] = t->points[i].weight;
    for (size_t g = 0; !st && g < G; g++) {
        const pair p = {t, g, similarity, weight, thumbs, count};

        for (size_t i = 0; i < t->count; i++)
            similarity[i] = t->similarity[i * G + g];
        st = save_plot(c, &p, folder, err);
    }
    for (size_t k = 0; images && k < count; k++)
        cafi_image_clear((cafi_image *)images + k);
    free(thumbs);
    free(images);
    free(similarity);
    free(weight);
    return st;
}

caface_status cli_comparison_plots(const cafi_comparison *c, const char *folder, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < c->probe->count; i++)
        st = save_track(c, &c->probe->tracks[i], folder, err);
    return st;
}
