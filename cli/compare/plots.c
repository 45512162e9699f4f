/* The similarity plots of `caface compare`. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "cli/compare/plots.h"
#include "cli/compare/report.h"
#include "faces/align.h"
#include "media/image.h"
#include "plot/similarity.h"

/* Pictures that a plot has a choice of, the heaviest faces first. */
#define PLOT_PICTURES 400
/* Bytes of a person's name in a file's. */
#define MOST_NAME 60

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
        (void)((st =
                    cafi_crop_file_read(&probe->crops, &t->points[order[k]].picture, &jpeg, err)) ||
               (st = cafi_image_decode(&images[k], jpeg.data, jpeg.size, err)));
        thumbs[k] = (cafi_similarity_thumb){order[k], images[k].rgb, CAFI_CROP_SIDE};
    }
    free(order);
    cafi_buf_free(&jpeg);
    return st;
}

/* "DIR/similarity-3-NAME", with only harmless characters of the name, and not too
 * many. What that takes away is made up for by a part of the name's hash, so that
 * different people have different files. */
static void plot_name(cafi_buf *out, const char *folder, int64_t id, const char *name)
{
    unsigned char digest[CAFI_SHA256_SIZE];
    bool same = strlen(name) <= MOST_NAME;

    cafi_buf_printf(out, "%s/similarity-%lld-", folder, (long long)id);
    for (size_t i = 0; i < MOST_NAME && name[i]; i++) {
        bool kept = isalnum((unsigned char)name[i]) || name[i] == '-' || name[i] == '_';

        same = same && kept;
        cafi_buf_append(out, kept ? &name[i] : "_", 1);
    }
    if (same)
        return;
    cafi_sha256_of(name, strlen(name), digest);
    cafi_buf_printf(out, "-%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
}

/* One track against one identity. Arrays are f32 [faces]. */
typedef struct pair {
    const cafi_probe_track *track;
    size_t identity;
    const float *similarity, *weight;
    const float *shares; /* of the summed feature lengths, as the average weighs faces */
    const cafi_similarity_thumb *thumbs;
    size_t thumb_count;
    const cafi_similarity_gallery *gallery;
} pair;

/* Where the average is among several methods: its number. */
static size_t find_average(const cafi_comparison *c)
{
    for (size_t m = 0; c->method_count > 1 && m < c->method_count; m++)
        if (c->methods[m].method == CAFACE_METHOD_AVERAGE)
            return m;
    return SIZE_MAX;
}

/* The plot in every format, with the average's own panel below. */
static caface_status save_formats(const cafi_similarity *plot, const char *folder, int64_t id,
                                  const char *name, caface_error *err)
{
    static const char *const suffixes[] = {".png", ".svg", ".pdf"};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < 3; i++) {
        cafi_buf path = {0};

        plot_name(&path, folder, id, name);
        cafi_buf_text(&path, suffixes[i]);
        st = path.failed ? cafi_fail_memory(err, path.size)
                         : cafi_similarity_save(plot, path.data, err);
        cafi_buf_free(&path);
    }
    return st;
}

static caface_status save_plot(const cafi_comparison *c, const pair *p, const char *folder,
                               caface_error *err)
{
    const cafi_probe_track *t = p->track;
    const char *name = c->gallery->items[p->identity].name;
    const double *fused = t->fused + p->identity * c->method_count;
    size_t average = find_average(c);
    cafi_similarity_star stars[CAFI_COMPARE_MAX_METHODS];
    cafi_similarity_star one = {.name = "average"};
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
                            .gallery = p->gallery,
                            .has_threshold = true,
                            .threshold = c->thresholds[0],
                            .seed = (uint64_t)t->id};
    cafi_similarity below = plot;

    snprintf(title, sizeof title, "Track %lld against %s", (long long)t->id, name);
    snprintf(subtitle, sizeof subtitle, "%zu faces", t->count);
    /* The main star is the last one, the first method the most wanted. */
    for (size_t m = 0; m < c->method_count; m++)
        stars[c->method_count - 1 - m] = (cafi_similarity_star){c->names[m], fused[m]};
    if (average != SIZE_MAX) {
        one.similarity = fused[average];
        below.title = "The average, and what each face weighs in it";
        below.subtitle = "its share of the summed feature lengths";
        below.weight = p->shares;
        below.stars = &one;
        below.star_count = 1;
        below.threshold = c->thresholds[average];
        plot.below = &below;
    }
    return save_formats(&plot, folder, t->id, name, err);
}

/* What the plots of one track share. */
typedef struct track_plots {
    cafi_similarity_thumb *thumbs;
    cafi_image *images;
    size_t count; /* of both */
    float *similarity, *weight, *shares;
} track_plots;

static caface_status open_track(track_plots *w, const cafi_comparison *c, const cafi_probe_track *t,
                                caface_error *err)
{
    double norms = 0.0;
    caface_status st;

    w->count = t->count < PLOT_PICTURES ? t->count : PLOT_PICTURES;
    if ((st = CAFI_NEW(&w->thumbs, w->count, err)) || (st = CAFI_NEW(&w->images, w->count, err)) ||
        (st = cafi_alloc_f32(&w->similarity, t->count, 1, err)) ||
        (st = cafi_alloc_f32(&w->weight, t->count, 1, err)) ||
        (st = cafi_alloc_f32(&w->shares, t->count, 1, err)) ||
        (st = plot_pictures(c->probe, t, w->thumbs, w->images, w->count, err)))
        return st;
    for (size_t i = 0; i < t->count; i++)
        norms += (double)t->points[i].norm;
    for (size_t i = 0; i < t->count; i++) {
        w->weight[i] = t->points[i].weight;
        w->shares[i] =
            norms > 0.0 ? (float)((double)t->points[i].norm / norms) : 1.0f / (float)t->count;
    }
    return CAFACE_OK;
}

static void close_track(track_plots *w)
{
    for (size_t k = 0; w->images && k < w->count; k++)
        cafi_image_clear(&w->images[k]);
    free(w->thumbs);
    free(w->images);
    free(w->similarity);
    free(w->weight);
    free(w->shares);
}

/* A track against every identity, of many the most alike. */
static caface_status save_track(const cafi_comparison *c, const cafi_probe_track *t,
                                const char *folder, caface_error *err)
{
    size_t G = c->gallery->count;
    track_plots w = {0};
    size_t *order = NULL;
    caface_status st = open_track(&w, c, t, err);

    if (!st && !(st = CAFI_NEW(&order, G, err)))
        cafi_comparison_order(c, (size_t)(t - c->probe->tracks), order);
    for (size_t k = 0; !st && k < G && k < CLI_TOLD_PEOPLE; k++) {
        size_t g = order[k];
        const cafi_identity *who = &c->gallery->items[g];
        cafi_image picture = {0};
        cafi_similarity_gallery gallery = {.name = who->name};
        const pair p = {t, g, w.similarity, w.weight, w.shares, w.thumbs, w.count, &gallery};

        for (size_t i = 0; i < t->count; i++)
            w.similarity[i] = t->similarity[i * G + g];
        if (who->picture.size) { /* people of a gallery file may have none */
            st = cafi_image_decode(&picture, who->picture.data, who->picture.size, err);
            gallery.rgb = picture.rgb;
            gallery.side = picture.width;
        }
        if (!st)
            st = save_plot(c, &p, folder, err);
        cafi_image_clear(&picture);
    }
    free(order);
    close_track(&w);
    return st;
}

static bool is_plot(const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t prefix = strlen("similarity-");
    size_t digits = 0;

    if (strncmp(name, "similarity-", prefix) != 0 || !dot)
        return false;
    digits = strspn(name + prefix, "0123456789");
    return digits && name[prefix + digits] == '-' &&
           (strcmp(dot, ".png") == 0 || strcmp(dot, ".svg") == 0 || strcmp(dot, ".pdf") == 0);
}

caface_status cli_comparison_plots_remove(const char *folder, caface_error *err)
{
    DIR *open = opendir(folder);
    caface_status st = CAFACE_OK;

    if (!open)
        return cafi_fail(err, CAFACE_EIO, "%s: cannot be read: %s", folder, strerror(errno));
    for (struct dirent *e = readdir(open); !st && e; e = readdir(open))
        if (is_plot(e->d_name) && unlinkat(dirfd(open), e->d_name, 0) != 0)
            st = cafi_fail(err, CAFACE_EIO, "%s/%s: cannot be removed: %s", folder, e->d_name,
                           strerror(errno));
    closedir(open);
    return st;
}

caface_status cli_comparison_plots(const cafi_comparison *c, const char *folder, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < c->probe->count; i++)
        st = save_track(c, &c->probe->tracks[i], folder, err);
    return st;
}
