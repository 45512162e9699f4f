#include "cli/eval/curves.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plot/chart.h"

/* The most ranks of a CMC plot. */
#define CMC_RANKS 100
/* And the least, where the gallery has as many people. */
#define CMC_LEAST 8

/* Shares of mated probes within each rank, all galleries together: y [ranks]. */
static void fill_cmc(const cafi_identified *found, size_t galleries, size_t ranks, double *y)
{
    size_t mated = 0;
    size_t hits = 0;

    memset(y, 0, ranks * sizeof *y);
    for (size_t g = 0; g < galleries; g++)
        for (size_t i = 0; i < found[g].mated; i++, mated++)
            if (found[g].rank[i] <= ranks)
                y[found[g].rank[i] - 1] += 1;
    for (size_t k = 0; k < ranks; k++) {
        hits += (size_t)y[k];
        y[k] = (double)hits / (double)mated;
    }
}

caface_status eval_draw_cmc(const char *path, const eval_curves *c, caface_error *err)
{
    cafi_chart_series series[EVAL_MAX_RECIPES];
    cafi_chart chart = {.title = "Identification",
                        .x = {.label = "rank", .whole = true},
                        .y = {.label = "probes found within the rank", .percent = true},
                        .series = series,
                        .series_count = c->count};
    size_t ranks = CMC_RANKS;
    size_t told = CMC_LEAST; /* ranks drawn: to a quarter beyond the last rise of a curve */
    double x[CMC_RANKS];
    double *y = NULL;
    caface_status st = CAFACE_OK;

    for (size_t g = 0; g < c->galleries; g++)
        ranks = c->found[0][g].gallery < ranks ? c->found[0][g].gallery : ranks;
    if ((st = cafi_alloc(&y, c->count, ranks * sizeof *y, err)))
        return st;
    memset(series, 0, sizeof series);
    for (size_t k = 0; k < ranks; k++)
        x[k] = (double)(k + 1);
    for (size_t i = 0; i < c->count; i++) {
        size_t last = ranks;

        fill_cmc(c->found[i], c->galleries, ranks, y + i * ranks);
        while (last > 1 && y[i * ranks + last - 2] >= y[i * ranks + ranks - 1])
            last--;
        told = last > told ? last : told;
    }
    told = told + told / 4 < ranks ? told + told / 4 : ranks;
    for (size_t i = 0; i < c->count; i++)
        series[i] =
            (cafi_chart_series){.name = c->name[i], .x = x, .y = y + i * ranks, .count = told};
    st = cafi_chart_save(&chart, path, err);
    free(y);
    return st;
}

static int falling(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return x > y ? -1 : x < y;
}

/* The open-set DET curve, all galleries together: at the best score of every
 * probe without a mate, (FPIR, FNIR). x, y [all probes without a mate]. */
static caface_status fill_det(const cafi_identified *found, size_t galleries, size_t n, double *x,
                              double *y, caface_error *err)
{
    float *top = NULL;
    float *mate = NULL;
    size_t mated = 0;
    size_t at = 0;
    size_t hits = 0;
    caface_status st = CAFACE_OK;

    for (size_t g = 0; g < galleries; g++)
        mated += found[g].mated;
    if ((st = cafi_alloc_f32(&top, n, 1, err)) || (st = cafi_alloc_f32(&mate, mated, 1, err))) {
        free(top);
        return st;
    }
    mated = 0;
    for (size_t g = 0; g < galleries; g++) {
        memcpy(top + at, found[g].top, found[g].nonmated * sizeof *top);
        memcpy(mate + mated, found[g].mate, found[g].mated * sizeof *mate);
        at += found[g].nonmated;
        mated += found[g].mated;
    }
    qsort(top, n, sizeof *top, falling);
    qsort(mate, mated, sizeof *mate, falling);
    for (size_t i = 0; i < n; i++) {
        while (hits < mated && mate[hits] >= top[i])
            hits++;
        x[i] = (double)(i + 1) / (double)n;
        y[i] = 1 - (double)hits / (double)mated;
    }
    free(top);
    free(mate);
    return CAFACE_OK;
}

static size_t count_nonmated(const cafi_identified *found, size_t galleries)
{
    size_t n = 0;

    for (size_t g = 0; g < galleries; g++)
        n += found[g].nonmated;
    return n;
}

caface_status eval_check_det(const char *path, const cafi_identified *found, size_t galleries,
                             caface_error *err)
{
    if (count_nonmated(found, galleries))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "%s: every probe has a mate: there is no open-set curve",
                     path);
}

caface_status eval_draw_det(const char *path, const eval_curves *c, caface_error *err)
{
    cafi_chart_series series[EVAL_MAX_RECIPES];
    cafi_chart chart = {
        .title = "Open-set identification",
        .x = {.label = "false positive identification rate", .scale = CAFI_SCALE_LOG},
        .y = {.label = "false negative identification rate", .scale = CAFI_SCALE_LOG},
        .series = series,
        .series_count = c->count};
    size_t n = count_nonmated(c->found[0], c->galleries);
    double *points = NULL;
    caface_status st = eval_check_det(path, c->found[0], c->galleries, err);

    if (st || (st = cafi_alloc(&points, 2 * c->count, n * sizeof *points, err)))
        return st;
    memset(series, 0, sizeof series);
    for (size_t i = 0; !st && i < c->count; i++) {
        double *x = points + 2 * i * n;

        st = fill_det(c->found[i], c->galleries, n, x, x + n, err);
        series[i] = (cafi_chart_series){.name = c->name[i], .x = x, .y = x + n, .count = n};
    }
    if (!st)
        st = cafi_chart_save(&chart, path, err);
    free(points);
    return st;
}
