#include "faces/landmark_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "faces/pose.h"
#include "models/onnx_input.h"
#include "onnx/graph.h"

#define MAX_SIDE 512
/* The sides of the cut-out, in sides of the box, and how far its middle lies below the box's, in
 * its height: with the networks that count from 0 to 1 this placed eyes and mouth best on faces of
 * people who judge nothing (docs/faces.md). Networks that count from -1 to 1 see a square of one
 * and a half of the longer side. */
#define LOWER 0.1
#define WIDE_SQUARE 1.5
/* A mean face beyond these is in other units. */
#define BELOW_ZERO (-0.2)
#define BEYOND_ONE 2.0
/* A box that reaches further out of its picture, in pictures, is no face. */
#define FAR_OUT 1.0

typedef enum units { PARTS, ABOUT_MIDDLE, PIXELS } units;

struct cafi_landmark_net {
    cafi_plan *plan;
    size_t channels, height, width;
    size_t points, order;
    units units;
    bool bgr;
    float mean[3], scale[3];
    float *input;                      /* [channels][height][width] */
    float output[2 * CAFI_MAX_POINTS]; /* x0 y0 x1 ... */
    cafi_resampler resampler;
    uint8_t *cut; /* a box's pixels */
    size_t room;
};

/* ---- the five of many ------------------------------------------------------------------- */

/* Each landmark is the mean of so many points. */
typedef struct five_order {
    size_t points;
    struct {
        size_t count, of[10];
    } mean[CAFI_LANDMARKS];
} five_order;

static const five_order orders[] = {
    {5, {{1, {0}}, {1, {1}}, {1, {2}}, {1, {3}}, {1, {4}}}},
    /* Sagonas et al. 2013 (300-W): lids, tip of the nose, outer and inner corners of the mouth */
    {68, {{4, {37, 38, 40, 41}}, {4, {43, 44, 46, 47}}, {1, {30}}, {2, {48, 60}}, {2, {54, 64}}}},
    /* InsightFace's 2d106det */
    {106,
     {{10, {33, 34, 35, 36, 37, 38, 39, 40, 41, 42}},
      {10, {87, 88, 89, 90, 91, 92, 93, 94, 95, 96}},
      {1, {86}},
      {1, {52}},
      {1, {61}}}},
    /* Liu et al. 2019 (JD-landmark) */
    {106,
     {{6, {52, 53, 54, 55, 56, 57}},
      {6, {58, 59, 60, 61, 62, 63}},
      {1, {46}},
      {1, {84}},
      {1, {90}}}},
};

bool cafi_five_of(cafi_point *five, const cafi_point *points, size_t count, size_t order)
{
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (orders[i].points != count || order-- > 0)
            continue;
        for (size_t k = 0; k < CAFI_LANDMARKS; k++) {
            size_t n = orders[i].mean[k].count;
            double x = 0.0, y = 0.0;

            for (size_t p = 0; p < n; p++) {
                x += (double)points[orders[i].mean[k].of[p]].x;
                y += (double)points[orders[i].mean[k].of[p]].y;
            }
            five[k] = (cafi_point){(float)(x / (double)n), (float)(y / (double)n)};
        }
        return true;
    }
    return false;
}

/* ---- opening ---------------------------------------------------------------------------- */

static bool is_known_count(size_t numbers)
{
    return numbers == 10 || numbers == 2 * 68 || numbers == 2 * 106;
}

/* The product of the extents behind the batch, or 0. */
static size_t numbers_of(const cafi_onnx_value *v)
{
    size_t n = 1;

    for (int i = 1; i < v->ndim; i++)
        if (v->dim[i] <= 0 || !cafi_mul_size(n, (size_t)v->dim[i], &n))
            return 0;
    return v->ndim >= 2 ? n : 0;
}

bool cafi_landmark_net_is(const cafi_onnx_file *file)
{
    const cafi_onnx_value *in = file->inputs;

    return file->input_count == 1 && file->output_count == 1 && in->ndim == 4 &&
           (in->dim[1] == 1 || in->dim[1] == 3) && in->dim[2] > 0 && in->dim[2] <= MAX_SIDE &&
           in->dim[3] > 0 && in->dim[3] <= MAX_SIDE && is_known_count(numbers_of(file->outputs));
}

static caface_status find_pixels(cafi_landmark_net *net, const cafi_onnx_file *file,
                                 const cafi_onnx_graph *g, caface_error *err)
{
    cafi_network about = {.graph = g->graph};
    caface_status st = cafi_onnx_find_input(&about, file, g, err);
    bool scales = strncmp(about.input_from, "the graph", 9) == 0;

    for (int c = 0; !st && c < 3; c++) {
        net->mean[c] = scales ? about.input.mean[c] : 0.0f;
        net->scale[c] = scales               ? about.input.scale[c]
                        : net->channels == 1 ? 1 / 256.0f
                                             : 1 / 255.0f;
    }
    net->bgr = about.input.bgr;
    return st;
}

static caface_status make_plan(cafi_landmark_net *net, cafi_onnx_file *file, size_t threads,
                               cafi_check check, caface_error *err)
{
    const cafi_plan_options options = {
        .precision = CAFACE_FP32, .batch = 1, .threads = threads, .check = check};
    cafi_onnx_graph g = {0};
    caface_status st = cafi_onnx_build_graph(&g, file, 0, 0, err);

    if (st)
        return st;
    net->channels = g.channels;
    net->height = g.height;
    net->width = g.width;
    net->points = numbers_of(file->outputs) / 2;
    if (!(st = cafi_graph_output(g.graph, g.outputs[0], err))) {
        cafi_shape shape = cafi_graph_node(g.graph, g.outputs[0])->shape;
        size_t numbers = 0;

        if (!cafi_shape_count(&shape, 1, &numbers) || numbers != 2 * net->points)
            st = cafi_fail(err, CAFACE_EMODEL, "%s: it gives %zu numbers, its output says %zu",
                           file->path, numbers, 2 * net->points);
    }
    (void)(st || (st = find_pixels(net, file, &g, err)) ||
           (st = cafi_plan_new(&net->plan, g.graph, &options, err)) ||
           (st = cafi_alloc_f32(&net->input, net->channels, net->height * net->width, err)));
    cafi_graph_free(g.graph);
    return st;
}

static caface_status run_plan(cafi_landmark_net *net, caface_error *err)
{
    const float *input = net->input;
    float *output = net->output;

    return cafi_plan_run(net->plan, &input, &output, err);
}

/* The points as parts of what the network sees, 0..1. */
static void read_points(const cafi_landmark_net *net, cafi_point *out)
{
    for (size_t i = 0; i < net->points; i++) {
        float x = net->output[2 * i], y = net->output[2 * i + 1];

        if (net->units == ABOUT_MIDDLE)
            out[i] = (cafi_point){0.5f * (x + 1.0f), 0.5f * (y + 1.0f)};
        else if (net->units == PIXELS)
            out[i] = (cafi_point){x / (float)net->width, y / (float)net->height};
        else
            out[i] = (cafi_point){x, y};
    }
}

/* The answer to a grey picture tells units and order. */
static caface_status find_meaning(cafi_landmark_net *net, const char *path, caface_error *err)
{
    cafi_point points[CAFI_MAX_POINTS], five[CAFI_LANDMARKS];
    size_t plane = net->height * net->width;
    double least = HUGE_VAL, low = HUGE_VAL, high = -HUGE_VAL;
    caface_status st = CAFACE_OK;

    for (size_t c = 0; c < net->channels; c++)
        for (size_t i = 0; i < plane; i++)
            net->input[c * plane + i] = (128.0f - net->mean[c]) * net->scale[c];
    if ((st = run_plan(net, err)))
        return st;
    for (size_t i = 0; i < 2 * net->points; i++) {
        low = fmin(low, (double)net->output[i]);
        high = fmax(high, (double)net->output[i]);
    }
    net->units = high > BEYOND_ONE ? PIXELS : low < BELOW_ZERO ? ABOUT_MIDDLE : PARTS;
    read_points(net, points);
    for (size_t order = 0; cafi_five_of(five, points, net->points, order); order++) {
        cafi_pose pose;

        if (cafi_landmarks_are_plausible(five) && cafi_pose_of(&pose, five) &&
            pose.misfit < least) {
            least = pose.misfit;
            net->order = order;
        }
    }
    return isfinite(least) ? CAFACE_OK
                           : cafi_fail(err, CAFACE_EMODEL,
                                       "%s: the %zu points that it finds in a grey picture do not "
                                       "form a face in any known order",
                                       path, net->points);
}

caface_status cafi_landmark_net_new(cafi_landmark_net **out, cafi_onnx_file *file, size_t threads,
                                    cafi_check check, caface_error *err)
{
    cafi_landmark_net *net = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!cafi_landmark_net_is(file))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: no landmark network: one picture of a fixed size, up to %dx%d, goes "
                         "into one, and 5, 68 or 106 points come out",
                         file->path, MAX_SIDE, MAX_SIDE);
    if ((st = CAFI_NEW(&net, 1, err)))
        return st;
    (void)((st = make_plan(net, file, threads, check, err)) ||
           (st = find_meaning(net, file->path, err)));
    if (st) {
        cafi_landmark_net_free(net);
        return st;
    }
    *out = net;
    return CAFACE_OK;
}

void cafi_landmark_net_free(cafi_landmark_net *net)
{
    if (!net)
        return;
    cafi_plan_free(net->plan);
    cafi_resampler_clear(&net->resampler);
    free(net->input);
    free(net->cut);
    free(net);
}

const cafi_plan *cafi_landmark_net_plan(const cafi_landmark_net *net)
{
    return net->plan;
}

size_t cafi_landmark_net_points(const cafi_landmark_net *net)
{
    return net->points;
}

/* ---- one face --------------------------------------------------------------------------- */

/* What the network sees of a face, in whole pixels of the picture; false: it lies too far out. */
static bool place_of(const cafi_landmark_net *net, const cafi_box *box, const cafi_view *picture,
                     long *left, long *top, size_t *width, size_t *height)
{
    double w = (double)box->x2 - (double)box->x1, h = (double)box->y2 - (double)box->y1;
    double x = 0.5 * ((double)box->x1 + (double)box->x2);
    double y = 0.5 * ((double)box->y1 + (double)box->y2);
    double pw = (double)picture->width, ph = (double)picture->height;

    if (net->units == ABOUT_MIDDLE)
        w = h = WIDE_SQUARE * fmax(w, h);
    else
        y += LOWER * h;
    if (!(w >= 1.0 && h >= 1.0) || x - 0.5 * w < -FAR_OUT * pw ||
        x + 0.5 * w > (1.0 + FAR_OUT) * pw || y - 0.5 * h < -FAR_OUT * ph ||
        y + 0.5 * h > (1.0 + FAR_OUT) * ph)
        return false;
    *left = lrint(x - 0.5 * w);
    *top = lrint(y - 0.5 * h);
    *width = (size_t)fmax(1.0, rint(w));
    *height = (size_t)fmax(1.0, rint(h));
    return true;
}

/* A part of the picture, whose edge goes on outside of it. */
static caface_status cut_out(cafi_landmark_net *net, const cafi_view *picture, long left, long top,
                             size_t width, size_t height, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (width * height > net->room) {
        if ((st = cafi_resize(&net->cut, width * height, 3, err)))
            return st;
        net->room = width * height;
    }
    for (size_t row = 0; row < height; row++) {
        long y = top + (long)row;
        const uint8_t *from = picture->rgb + (y < 0                         ? 0
                                              : (size_t)y < picture->height ? (size_t)y
                                                                            : picture->height - 1) *
                                                 picture->width * 3;
        uint8_t *to = net->cut + row * width * 3;

        for (size_t col = 0; col < width; col++) {
            long x = left + (long)col;
            size_t at = x < 0 ? 0 : (size_t)x < picture->width ? (size_t)x : picture->width - 1;

            memcpy(to + col * 3, from + at * 3, 3);
        }
    }
    return CAFACE_OK;
}

/* ITU-R BT.601's luma, as everywhere in pictures of one channel. */
static float grey(const uint8_t *p)
{
    return 0.299f * (float)p[0] + 0.587f * (float)p[1] + 0.114f * (float)p[2];
}

static void fill(cafi_landmark_net *net, const cafi_view *seen)
{
    size_t plane = net->height * net->width;

    for (size_t i = 0; i < plane; i++) {
        const uint8_t *p = seen->rgb + i * 3;

        if (net->channels == 1)
            net->input[i] = (grey(p) - net->mean[0]) * net->scale[0];
        for (size_t c = 0; net->channels == 3 && c < 3; c++)
            net->input[c * plane + i] =
                ((float)p[net->bgr ? 2 - c : c] - net->mean[c]) * net->scale[c];
    }
}

static caface_status run_one(cafi_landmark_net *net, const cafi_view *picture, cafi_face *face,
                             bool *kept, caface_error *err)
{
    cafi_point points[CAFI_MAX_POINTS];
    cafi_view cut = {0}, seen = {0};
    long left = 0, top = 0;
    caface_status st = CAFACE_OK;

    *kept = place_of(net, &face->box, picture, &left, &top, &cut.width, &cut.height);
    if (!*kept)
        return CAFACE_OK;
    if ((st = cut_out(net, picture, left, top, cut.width, cut.height, err)))
        return st;
    cut.rgb = net->cut;
    if ((st = cafi_resampler_run(&net->resampler, &cut, net->width, net->height, &seen, err)))
        return st;
    fill(net, &seen);
    if ((st = run_plan(net, err)))
        return st;
    read_points(net, points);
    (void)cafi_five_of(face->landmark, points, net->points, net->order);
    for (size_t k = 0; k < CAFI_LANDMARKS; k++) {
        /* parts of the cut-out lie between edges, landmarks at the middle of pixels */
        face->landmark[k].x = (float)left + face->landmark[k].x * (float)cut.width - 0.5f;
        face->landmark[k].y = (float)top + face->landmark[k].y * (float)cut.height - 0.5f;
    }
    *kept = cafi_face_is_sound(face);
    return CAFACE_OK;
}

caface_status cafi_landmark_net_run(cafi_landmark_net *net, const cafi_view *picture,
                                    cafi_faces *faces, caface_error *err)
{
    size_t count = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < faces->count; i++) {
        bool kept = false;

        st = run_one(net, picture, &faces->items[i], &kept, err);
        if (!st && kept)
            faces->items[count++] = faces->items[i];
    }
    faces->count = count;
    return st;
}
