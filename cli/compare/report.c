#include "cli/command.h"
#include "cli/compare/plots.h"
#include "cli/compare/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/version.h"
#include "files/output.h"
#include "plot/report.h"
#include "plot/similarity.h"

/* Faces with a picture of their own in the page, of all tracks, and those at
 * either end of a track that have one in any case. */
#define PAGE_PICTURES 2000
#define SHEET_PICTURES 12

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

/* Which faces of a track have a picture in the page: the heaviest and lightest,
 * and as many more, evenly, as the track's part of PAGE_PICTURES allows. */
static void choose_pictures(const cafi_comparison *c, const cafi_probe_track *t,
                            const size_t *order, bool *chosen)
{
    size_t all = 0, room = 0, step = 0;

    for (size_t i = 0; i < c->probe->count; i++)
        all += c->probe->tracks[i].count;
    room = (size_t)((double)PAGE_PICTURES * (double)t->count / (double)all) + 1;
    step = (t->count + room - 1) / room;
    for (size_t i = 0; i < t->count; i++) {
        chosen[i] = chosen[i] || i % step == 0;
        if (i < SHEET_PICTURES || t->count - i <= SHEET_PICTURES)
            chosen[order[i]] = true;
    }
}

static caface_status page_points(const cafi_comparison *c, const cafi_probe_track *t,
                                 const bool *chosen, cafi_json *json, caface_error *err)
{
    caface_status st = CAFACE_OK;

    cafi_json_begin_array(json, "points");
    for (size_t i = 0; !st && i < t->count; i++) {
        const cafi_probe_point *p = &t->points[i];
        cafi_buf jpeg = {0};

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "frame", (int64_t)p->frame);
        cafi_json_real(json, "seconds", p->seconds);
        cafi_json_real32(json, "share", p->weight * (float)t->count);
        if (chosen[i])
            st = cafi_crop_file_read(&c->probe->crops, &p->picture, &jpeg, err);
        if (jpeg.size)
            page_picture(json, jpeg.data, jpeg.size);
        cafi_buf_free(&jpeg);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    return st;
}

/* What is said of every identity by every method, the identities from the most alike
 * on, and who the track is. */
static void page_verdicts(const cafi_comparison *c, size_t track, cafi_json *json)
{
    size_t who = 0;
    cafi_verdict v = cafi_comparison_name(c, track, &who);

    cafi_json_begin_array(json, "told");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_array(json, NULL);
        for (size_t m = 0; m < c->method_count; m++)
            cafi_json_int(json, NULL, (int64_t)cafi_comparison_verdict(c, track, g, m));
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    cafi_json_string(json, "name",
                     v == CAFI_SAME          ? c->gallery->items[who].name
                     : v == CAFI_CANNOT_TELL ? "cannot tell: too blurred"
                                             : "unknown");
    cafi_json_bool(json, "known", v == CAFI_SAME);
}

static caface_status page_track(const cafi_comparison *c, const cafi_probe_track *t,
                                cafi_json *json, caface_error *err)
{
    size_t *order = NULL;
    void *chosen = NULL;
    caface_status st;

    (void)((st = cafi_probe_heaviest(t, &order, err)) ||
           (st = cafi_alloc(&chosen, t->count, sizeof(bool), err)));
    if (!st) {
        choose_pictures(c, t, order, chosen);
        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", t->id);
        cafi_json_int(json, "faces", (int64_t)t->count);
        cafi_json_int(json, "best", (int64_t)order[0]);
        st = page_points(c, t, chosen, json, err);
    }
    free(order);
    free(chosen);
    if (st)
        return st;
    cafi_json_begin_array(json, "sim");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_array(json, NULL);
        for (size_t i = 0; i < t->count; i++)
            cafi_json_real32(json, NULL, t->similarity[i * c->gallery->count + g]);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    cafi_json_begin_array(json, "fused");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_array(json, NULL);
        for (size_t m = 0; m < c->method_count; m++)
            cafi_json_real(json, NULL, t->fused[g * c->method_count + m]);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    page_verdicts(c, (size_t)(t - c->probe->tracks), json);
    cafi_json_end_object(json);
    return CAFACE_OK;
}

static caface_status save_page(const cafi_comparison *c, const char *path, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    bool has_weights = false;
    caface_status st = CAFACE_OK;

    for (size_t m = 0; m < c->method_count; m++)
        has_weights = has_weights || caface_method_is_network(c->methods[m].method);
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "version", CAFACE_VERSION);
    cafi_json_string(&json, "probe", c->probe_path);
    cafi_json_int(&json, "frames", (int64_t)c->probe->result.frames);
    cafi_json_begin_array(&json, "thresholds");
    for (size_t m = 0; m < c->method_count; m++)
        cafi_json_real(&json, NULL, c->thresholds[m]);
    cafi_json_end_array(&json);
    cafi_json_real(&json, "far", c->far);
    cafi_json_bool(&json, "weighed", has_weights);
    cafi_json_begin_array(&json, "methods");
    for (size_t m = 0; m < c->method_count; m++)
        cafi_json_string(&json, NULL, c->names[m]);
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "gallery");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "name", c->gallery->items[g].name);
        cafi_json_int(&json, "images", (int64_t)c->gallery->items[g].images);
        page_picture(&json, c->gallery->items[g].picture.data, c->gallery->items[g].picture.size);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_begin_array(&json, "tracks");
    for (size_t i = 0; !st && i < c->probe->count; i++)
        st = page_track(c, &c->probe->tracks[i], &json, err);
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    if (!st)
        st = text.failed ? cafi_fail_memory(err, text.size)
                         : cafi_report_save(path, text.data, text.size, err);
    cafi_buf_free(&text);
    return st;
}

caface_status cli_comparison_save(const cafi_comparison *c, const char *folder, bool plots,
                                  caface_error *err)
{
    cafi_buf text = {0}, name = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    if ((st = cli_comparison_plots_remove(folder, err)))
        return st;
    cafi_comparison_json(c, &json, true);
    cafi_buf_printf(&name, "%s/compare.json", folder);
    st = text.failed || name.failed ? cafi_fail_memory(err, text.size)
                                    : cafi_output_save(name.data, text.data, text.size, err);
    cafi_buf_free(&text);
    cafi_buf_free(&name);
    cafi_buf_printf(&name, "%s/report.html", folder);
    if (!st)
        st = name.failed ? cafi_fail_memory(err, name.size) : save_page(c, name.data, err);
    cafi_buf_free(&name);
    if (!st && plots && !cafi_plot_available())
        cli_warn("%s: without similarity plots: this caface was built without cairo", folder);
    else if (!st && plots)
        st = cli_comparison_plots(c, folder, err);
    return st;
}
