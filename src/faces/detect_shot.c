#include "faces/detect_shot.h"

#include "onnx/graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "faces/decode.h"
#include "faces/flexnet.h"
#include "faces/lffd.h"
#include "faces/passes.h"
#include "faces/pose.h"
#include "faces/resample.h"
#include "faces/second_look.h"
#include "faces/shot_outputs.h"

#define LEVELS CAFI_SHOT_LEVELS
#define MAX_STRIDE 32
#define SHOT_BYTES ((size_t)512 << 20)
/* Below this scale small faces are looked for in tiles too. */
#define TILE_BELOW 0.9
#define TILE_STEP 0.75
/* Between two passes of a network of one size. */
#define TILE_RATIO 2.5
/* What a tile shows of a face that it cuts may pass for a whole one: a box that comes this near to
 * an inner edge, in its own sides, and one larger than this part of the tile's shorter side are
 * left to others: a neighbour, or a smaller pass. */
#define TILE_EDGE 0.1f
#define TILE_MOST 0.5f

static const float retina_sides[LEVELS][CAFI_RETINAFACE_ANCHORS] = {
    {10.0f, 20.0f}, {32.0f, 64.0f}, {128.0f, 256.0f}};

/* Black below and beside the picture, as its training had it; RetinaFace's
 * value there is that of the zeros its convolutions pad with. */
static const cafi_pixel_map pixels[] = {
    [CAFI_YUNET] = {true, {0.0f, 0.0f, 0.0f}, 1.0f, 0.0f},
    [CAFI_SCRFD] = {false, {127.5f, 127.5f, 127.5f}, 1.0f / 128.0f, -127.5f / 128.0f},
    [CAFI_RETINAFACE] = {true, {104.0f, 117.0f, 123.0f}, 1.0f, 0.0f},
    [CAFI_ULTRAFACE] = {false, {127.0f, 127.0f, 127.0f}, 1.0f / 128.0f, 0.0f},
    [CAFI_LFFD] = {true, {0.0f, 0.0f, 0.0f}, 1.0f, 0.0f}, /* subtracts for itself */
};

/* Measured on portraits of every size (docs/faces.md). */
static const cafi_face_range ranges[] = {
    [CAFI_YUNET] = {24.0, 320.0, 320.0, 640.0, 0.8f, 0.4, true},
    [CAFI_SCRFD] = {24.0, 320.0, 640.0, 640.0, 0.8f, 0.4, false},
    [CAFI_RETINAFACE] = {32.0, 200.0, 240.0, 300.0, 0.98f, 0.8, true},
    [CAFI_ULTRAFACE] = {20.0, 200.0, 320.0, 320.0, 0.95f, 1.5, false},
    [CAFI_LFFD] = {20.0, 300.0, 640.0, 320.0, 0.95f, 0.4, false},
};
/* What a smaller pass shows with this part of the least score is enough to
 * confirm a face of a larger one. */
#define WITNESS 0.5f
/* The same of a second look. With more doubtful faces than this a picture shows a crowd, and is
 * taken as it is. */
#define SEEN_AGAIN 0.75f
#define MOST_LOOKS 36
/* A picture whose longer side is no larger than this in the network's input is enlarged by that
 * where no sure face, or only small ones are found in it, by networks whose false faces a second
 * look tells; one that shows nothing then either is searched at half the smallest scale. */
#define ENLARGED_BELOW 320.0
#define ENLARGED 2.0

struct cafi_shot_detector {
    cafi_shot_family family;
    cafi_onnx_file *file;
    const cafi_bundle *bundle;
    cafi_shot_options options;
    size_t fixed_height, fixed_width; /* 0: any */
    cafi_shot_outputs places;
    cafi_flexnet *net;
    cafi_resampler resampler;
};

cafi_shot_options cafi_shot_defaults(cafi_shot_family family)
{
    static const cafi_shot_options options[] = {[CAFI_YUNET] = {0.6f, 0.3f, CAFACE_FP32},
                                                [CAFI_SCRFD] = {0.5f, 0.4f, CAFACE_FP32},
                                                [CAFI_RETINAFACE] = {0.4f, 0.4f, CAFACE_FP32},
                                                [CAFI_ULTRAFACE] = {0.7f, 0.3f, CAFACE_FP32},
                                                [CAFI_LFFD] = {0.8f, 0.4f, CAFACE_FP32}};

    return options[family];
}

bool cafi_shot_finds_boxes_alone(cafi_shot_family family)
{
    return family == CAFI_ULTRAFACE || family == CAFI_LFFD;
}

bool cafi_shot_recognise(const cafi_onnx_file *file, cafi_shot_family *family)
{
    static const cafi_shot_family families[] = {CAFI_LFFD, CAFI_ULTRAFACE, CAFI_YUNET, CAFI_SCRFD};
    cafi_shot_outputs p;

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (cafi_shot_find_outputs(file, families[i], &p)) {
            *family = families[i];
            return true;
        }
    return false;
}

static caface_status build(void *ctx, size_t height, size_t width, cafi_graph **out,
                           caface_error *err)
{
    const cafi_shot_detector *d = ctx;
    cafi_onnx_graph g;
    caface_status st;

    if (d->family == CAFI_RETINAFACE)
        return cafi_retinaface_graph(out, d->bundle, height, width, err);
    st = cafi_onnx_build_graph(&g, d->file, height, width, err);
    for (size_t i = 0; !st && i < g.output_count; i++)
        st = cafi_graph_output(g.graph, g.outputs[i], err);
    if (st) {
        cafi_graph_free(g.graph);
        return st;
    }
    *out = g.graph;
    return CAFACE_OK;
}

/* The extents the file fixes, or 0. */
static caface_status read_size(cafi_shot_detector *d, caface_error *err)
{
    const cafi_onnx_value *input = &d->file->inputs[0];
    /* the levels of the others' outputs are read by their strides */
    size_t multiple = cafi_shot_finds_boxes_alone(d->family) ? 1 : MAX_STRIDE;

    if (d->file->input_count != 1 || input->ndim != 4)
        return cafi_fail(err, CAFACE_EMODEL, "%s: a detector has one input of four extents",
                         d->file->path);
    if (input->dim[2] > 0 && input->dim[3] > 0) {
        d->fixed_height = (size_t)input->dim[2];
        d->fixed_width = (size_t)input->dim[3];
    }
    if (d->family == CAFI_ULTRAFACE && !d->fixed_width)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: its input must have a fixed size, because its boxes are decoded for one",
            d->file->path);
    if (d->fixed_height % multiple || d->fixed_width % multiple || d->fixed_height > 8192 ||
        d->fixed_width > 8192)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: input of %zux%zu, a multiple of %zu up to 8192 is expected",
                         d->file->path, d->fixed_width, d->fixed_height, multiple);
    return CAFACE_OK;
}

caface_status cafi_shot_detector_new(cafi_shot_detector **out, cafi_shot_family family,
                                     cafi_onnx_file *file, const cafi_bundle *bundle,
                                     const cafi_shot_options *options, size_t threads,
                                     caface_error *err)
{
    cafi_shot_detector *d = NULL;
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof *d, err);

    *out = NULL;
    if (st)
        return st;
    d = memory;
    d->family = family;
    d->file = file;
    d->bundle = bundle;
    d->options = *options;
    if (family != CAFI_RETINAFACE) {
        if (!cafi_shot_find_outputs(file, family, &d->places))
            st = cafi_fail(err, CAFACE_EMODEL, "%s: its outputs are not this detector's",
                           file->path);
        if (!st)
            st = read_size(d, err);
    }
    if (!st)
        st = cafi_flexnet_new(&d->net, build, d, 1, options->precision, threads, options->check,
                              SHOT_BYTES, err);
    if (st) {
        cafi_shot_detector_free(d);
        return st;
    }
    *out = d;
    return CAFACE_OK;
}

cafi_flexnet *cafi_shot_net(cafi_shot_detector *d, size_t *height, size_t *width)
{
    *height = d->fixed_height;
    *width = d->fixed_width;
    return d->net;
}

void cafi_shot_detector_free(cafi_shot_detector *d)
{
    if (!d)
        return;
    cafi_flexnet_free(d->net);
    cafi_resampler_clear(&d->resampler);
    free(d);
}

/* The numbers of one output, which must be as many as the level has. */
static caface_status output_of(const cafi_flexnet_slot *slot, size_t index, size_t count,
                               const float **out, caface_error *err)
{
    size_t have = 0;

    if (index >= slot->output_count || !cafi_shape_count(&slot->shape[index], 1, &have) ||
        have != count)
        return cafi_fail(err, CAFACE_EMODEL, "output %zu has %zu numbers, the detector's has %zu",
                         index, have, count);
    *out = slot->output[index];
    return CAFACE_OK;
}

static caface_status decode_level(const cafi_shot_detector *d, const cafi_flexnet_slot *slot,
                                  size_t l, float threshold, cafi_faces *faces, caface_error *err)
{
    const cafi_shot_outputs *p = &d->places;
    bool retina = d->family == CAFI_RETINAFACE;
    cafi_level level = {slot->height / cafi_shot_strides[l], slot->width / cafi_shot_strides[l],
                        cafi_shot_strides[l], retina ? CAFI_RETINAFACE_ANCHORS : p->anchors};
    size_t n = level.rows * level.cols * level.anchors;
    const float *score = NULL, *object = NULL, *box = NULL, *kps = NULL;
    caface_status st;

    if (retina) {
        st = output_of(slot, l, 16 * n, &score, err);
        return st ? st
                  : cafi_decode_retinaface(faces, &level, retina_sides[l], score, score + 2 * n,
                                           score + 6 * n, threshold, err);
    }
    (void)((st = output_of(slot, p->score[l], n, &score, err)) ||
           (st = output_of(slot, p->box[l], 4 * n, &box, err)));
    if (!st && p->has_kps)
        st = output_of(slot, p->kps[l], 10 * n, &kps, err);
    if (!st && d->family == CAFI_YUNET)
        st = output_of(slot, p->object[l], n, &object, err);
    if (st)
        return st;
    return d->family == CAFI_YUNET
               ? cafi_decode_yunet(faces, &level, score, object, box, kps, threshold, err)
               : cafi_decode_scrfd(faces, &level, score, box, kps, threshold, err);
}

/* The candidates of all levels, of those that find boxes alone. */
static caface_status decode_all(const cafi_shot_detector *d, const cafi_flexnet_slot *slot,
                                float threshold, cafi_faces *faces, caface_error *err)
{
    const cafi_shape *shape = &slot->shape[d->places.score[0]];
    const float *score = NULL, *box = NULL;
    size_t n = shape->ndim == 3 && shape->dim[1] > 0 ? (size_t)shape->dim[1] : 0;
    caface_status st = CAFACE_OK;

    if (d->family == CAFI_LFFD) {
        st = cafi_lffd_decode(faces, d->places.scales, slot, threshold, err);
        return st ? cafi_prefix(err, st, d->file->path) : CAFACE_OK;
    }
    (void)((st = output_of(slot, d->places.score[0], 2 * n, &score, err)) ||
           (st = output_of(slot, d->places.box[0], 4 * n, &box, err)));
    if (!st)
        st = cafi_decode_boxes(faces, n, score, box, slot->width, slot->height, threshold, err);
    return st ? cafi_prefix(err, st, d->file->path) : CAFACE_OK;
}

/* Back from the input's pixels to the picture's. */
static void place(cafi_face *face, double scale_x, double scale_y, double x, double y)
{
    cafi_box *b = &face->box;

    *b = (cafi_box){(float)(b->x1 * scale_x + x), (float)(b->y1 * scale_y + y),
                    (float)(b->x2 * scale_x + x), (float)(b->y2 * scale_y + y)};
    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        face->landmark[i].x = (float)(face->landmark[i].x * scale_x + x);
        face->landmark[i].y = (float)(face->landmark[i].y * scale_y + y);
    }
}

/* One run over a picture that fits the size. */
static caface_status run(cafi_shot_detector *d, const cafi_view *view, size_t height, size_t width,
                         float threshold, cafi_faces *faces, caface_error *err)
{
    cafi_flexnet_slot *slot = NULL;
    caface_status st = cafi_flexnet_get(d->net, height, width, &slot, err);

    if (st)
        return st;
    cafi_flexnet_fill(slot, 0, view, &pixels[d->family]);
    st = cafi_flexnet_run(slot, err);
    if (!st && cafi_shot_finds_boxes_alone(d->family))
        return decode_all(d, slot, threshold, faces, err);
    for (size_t l = 0; !st && l < LEVELS; l++)
        st = decode_level(d, slot, l, threshold, faces, err);
    return st;
}

/* One tile. A face that touches an inner edge of its tile is cut there, and
 * whole in a neighbour or in a smaller copy of the picture; it is left to them. */
static caface_status run_tile(cafi_shot_detector *d, const cafi_view *picture, size_t x, size_t y,
                              float threshold, cafi_faces *faces, caface_error *err)
{
    size_t width = picture->width - x < d->fixed_width ? picture->width - x : d->fixed_width;
    size_t height = picture->height - y < d->fixed_height ? picture->height - y : d->fixed_height;
    cafi_faces found = {0};
    bool parts = width < picture->width || height < picture->height;
    cafi_view tile = {NULL, width, height};
    uint8_t *rgb = NULL;
    caface_status st = cafi_alloc(&rgb, height, width * 3, err);

    if (st)
        return st;
    for (size_t row = 0; row < height; row++)
        memcpy(rgb + row * width * 3, picture->rgb + ((y + row) * picture->width + x) * 3,
               width * 3);
    tile.rgb = rgb;
    st = run(d, &tile, d->fixed_height, d->fixed_width, threshold, &found, err);
    for (size_t i = 0; !st && i < found.count; i++) {
        const cafi_box *b = &found.items[i].box;

        float side = fmaxf(b->x2 - b->x1, b->y2 - b->y1), edge = fmaxf(1.0f, TILE_EDGE * side);

        if (parts && ((x > 0 && b->x1 < edge) || (y > 0 && b->y1 < edge) ||
                      (x + width < picture->width && b->x2 > (float)width - edge) ||
                      (y + height < picture->height && b->y2 > (float)height - edge) ||
                      side > TILE_MOST * fminf((float)d->fixed_width, (float)d->fixed_height)))
            continue;
        place(&found.items[i], 1.0, 1.0, (double)x, (double)y);
        st = cafi_faces_add(faces, &found.items[i], err);
    }
    cafi_faces_free(&found);
    free(rgb);
    return st;
}

/* Where the i-th of `count` tiles begins, so that they cover the extent. */
static size_t tile_start(size_t extent, size_t size, size_t count, size_t i)
{
    return count < 2 || extent <= size ? 0 : (extent - size) * i / (count - 1);
}

static size_t tile_count(size_t extent, size_t size)
{
    if (extent <= size)
        return 1;
    return 1 + (size_t)ceil((double)(extent - size) / (TILE_STEP * (double)size));
}

static size_t whole_stride(size_t extent)
{
    return (extent + MAX_STRIDE - 1) / MAX_STRIDE * MAX_STRIDE;
}

/* A picture as it is: at once, or in tiles of the fixed size. */
static caface_status search(cafi_shot_detector *d, const cafi_view *view, float threshold,
                            cafi_faces *faces, caface_error *err)
{
    size_t across = 0, down = 0;
    caface_status st = CAFACE_OK;

    if (!d->fixed_width)
        return run(d, view, whole_stride(view->height), whole_stride(view->width), threshold, faces,
                   err);
    across = tile_count(view->width, d->fixed_width);
    down = tile_count(view->height, d->fixed_height);
    for (size_t i = 0; !st && i < across * down; i++)
        st = run_tile(d, view, tile_start(view->width, d->fixed_width, across, i % across),
                      tile_start(view->height, d->fixed_height, down, i / across), threshold, faces,
                      err);
    return st;
}

/* One pass: the picture at pass->scale. */
static caface_status run_pass(cafi_shot_detector *d, const cafi_view *picture, cafi_pass *pass,
                              float threshold, caface_error *err)
{
    size_t width = (size_t)fmax(1.0, rint((double)picture->width * pass->scale));
    size_t height = (size_t)fmax(1.0, rint((double)picture->height * pass->scale));
    cafi_view copy;
    caface_status st = CAFACE_OK;

    if (width == picture->width && height == picture->height)
        return search(d, picture, threshold, &pass->faces, err);
    st = cafi_resampler_run(&d->resampler, picture, width, height, &copy, err);
    if (!st)
        st = search(d, &copy, threshold, &pass->faces, err);
    for (size_t i = 0; i < pass->faces.count; i++)
        place(&pass->faces.items[i], (double)picture->width / (double)width,
              (double)picture->height / (double)height, 0.0, 0.0);
    return st;
}

/* A network of one size sees the picture scaled to fit; where that shrinks it,
 * in tiles at full size too, and in between when the two are far apart. */
static size_t fixed_scales(const cafi_shot_detector *d, const cafi_view *picture, double *scales)
{
    double fit = fmin((double)d->fixed_width / (double)picture->width,
                      (double)d->fixed_height / (double)picture->height);
    size_t count = 1;

    scales[0] = fit;
    if (fit >= TILE_BELOW)
        return count;
    for (; count + 1 < CAFI_MAX_PASSES && scales[count - 1] * TILE_RATIO < 1.0; count++)
        scales[count] = scales[count - 1] * TILE_RATIO;
    scales[count++] = 1.0;
    return count;
}

/* Shows the network the faces of one picture of windows; kept: which of them it sees again. */
static caface_status look_at(cafi_shot_detector *d, const cafi_view *picture,
                             const cafi_face *faces, size_t count, size_t cols, bool *kept,
                             caface_error *err)
{
    size_t side = cols * CAFI_LOOK_WINDOW;
    cafi_view view = {NULL, side, side};
    cafi_look look = {0};
    cafi_faces seen = {0};
    caface_status st = cafi_look_draw(&look, &d->resampler, picture, faces, count, cols, err);

    view.rgb = look.rgb;
    if (!st)
        st = run(d, &view, d->fixed_height ? d->fixed_height : side,
                 d->fixed_width ? d->fixed_width : side, SEEN_AGAIN * d->options.threshold, &seen,
                 err);
    for (size_t i = 0; !st && i < count; i++)
        kept[i] = cafi_look_shows(&seen, &faces[i], i, cols);
    free(look.rgb);
    cafi_faces_free(&seen);
    return st;
}

/* Windows in a row that so many faces need: few different ones, as each is a size of the network.
 */
static size_t look_cols(const cafi_shot_detector *d, size_t count)
{
    size_t cols = count > 16 ? 6 : count > 4 ? 4 : count > 1 ? 2 : 1;
    size_t room = d->fixed_width < d->fixed_height ? d->fixed_width : d->fixed_height;

    return d->fixed_width && room / CAFI_LOOK_WINDOW < cols ? room / CAFI_LOOK_WINDOW : cols;
}

static bool is_doubtful(const cafi_face *f, float sure)
{
    return f->score < sure || !cafi_landmarks_are_plausible(f->landmark);
}

/* Of faces[first..] those that are sure, or are seen again. */
static caface_status look_again(cafi_shot_detector *d, const cafi_view *picture, cafi_faces *faces,
                                size_t first, caface_error *err)
{
    float sure = ranges[d->family].sure;
    cafi_face doubtful[MOST_LOOKS];
    bool kept[MOST_LOOKS] = {false};
    size_t count = 0, next = 0, out = first, cols = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = first; i < faces->count; i++)
        if (is_doubtful(&faces->items[i], sure) && count++ < MOST_LOOKS)
            doubtful[count - 1] = faces->items[i];
    cols = look_cols(d, count);
    if (!count || count > MOST_LOOKS || !cols)
        return CAFACE_OK;
    for (size_t i = 0; !st && i < count; i += cols * cols)
        st = look_at(d, picture, doubtful + i, count - i < cols * cols ? count - i : cols * cols,
                     cols, kept + i, err);
    for (size_t i = first; !st && i < faces->count; i++)
        if (!is_doubtful(&faces->items[i], sure) || kept[next++])
            faces->items[out++] = faces->items[i];
    if (!st)
        faces->count = out;
    return st;
}

/* One search in copies of these scales, the smallest first. */
static caface_status search_scales(cafi_shot_detector *d, const cafi_view *picture,
                                   const double *scales, size_t count, cafi_faces *faces,
                                   caface_error *err)
{
    const cafi_face_range *range = &ranges[d->family];
    float least = d->options.threshold;
    cafi_pass passes[CAFI_MAX_PASSES] = {{0}};
    size_t first = faces->count;
    caface_status st = CAFACE_OK;

    for (size_t p = 0; !st && p < count; p++) {
        passes[p].scale = scales[p];
        st = run_pass(d, picture, &passes[p], p + 1 < count ? WITNESS * least : least, err);
    }
    if (!st)
        st = cafi_passes_merge(faces, passes, count,
                               fmin((double)picture->width, (double)picture->height), range, least,
                               d->options.nms, err);
    for (size_t p = 0; p < count; p++)
        cafi_faces_free(&passes[p].faces);
    return st || !range->look_again ? st : look_again(d, picture, faces, first, err);
}

/* True when one of the faces is sure, and one has a size that the network places well. */
static bool are_well_seen(const cafi_shot_detector *d, const cafi_faces *faces, double scale)
{
    const cafi_face_range *range = &ranges[d->family];
    bool sure = false, large = false;

    for (size_t i = 0; i < faces->count; i++) {
        sure = sure || faces->items[i].score >= range->sure;
        large = large || sqrt(cafi_box_area(&faces->items[i].box, 0.0)) * scale >= range->judged;
    }
    return sure && large;
}

/* A small picture whose faces, found at `scale`, are not well seen, enlarged: these count when one
 * of them is better than all others. */
static caface_status search_closer(cafi_shot_detector *d, const cafi_view *picture, double scale,
                                   cafi_faces *found, caface_error *err)
{
    double longer = fmax((double)picture->width, (double)picture->height);
    cafi_faces closer = {0};
    caface_status st = CAFACE_OK;

    while (!st && longer * scale <= ENLARGED_BELOW && !are_well_seen(d, found, scale)) {
        scale *= ENLARGED;
        closer.count = 0;
        st = search_scales(d, picture, &scale, 1, &closer, err);
        if (!st && closer.count &&
            (!found->count || closer.items[0].score > found->items[0].score)) {
            cafi_faces less = *found;

            *found = closer;
            closer = less;
        }
    }
    cafi_faces_free(&closer);
    return st;
}

caface_status cafi_shot_detect(cafi_shot_detector *d, const cafi_view *picture, cafi_faces *faces,
                               caface_error *err)
{
    double scales[CAFI_MAX_PASSES];
    cafi_faces found = {0};
    size_t count = d->fixed_width ? fixed_scales(d, picture, scales)
                                  : cafi_pass_scales(scales, picture->width, picture->height,
                                                     &ranges[d->family]);
    caface_status st = search_scales(d, picture, scales, count, &found, err);

    if (!st && ranges[d->family].look_again)
        st = search_closer(d, picture, scales[count - 1], &found, err);
    scales[0] *= 0.5;
    if (!st && !found.count)
        st = search_scales(d, picture, scales, 1, &found, err);
    for (size_t i = 0; !st && i < found.count; i++)
        st = cafi_faces_add(faces, &found.items[i], err);
    cafi_faces_free(&found);
    return st;
}

caface_status cafi_shot_look(cafi_shot_detector *d, const cafi_view *picture, cafi_faces *faces,
                             caface_error *err)
{
    cafi_faces seen = {0};
    caface_status st = CAFACE_OK;

    if (d->fixed_width && (d->fixed_width < picture->width || d->fixed_height < picture->height))
        return cafi_shot_detect(d, picture, faces, err);
    st = run(d, picture, d->fixed_height ? d->fixed_height : whole_stride(picture->height),
             d->fixed_width ? d->fixed_width : whole_stride(picture->width),
             SEEN_AGAIN * d->options.threshold, &seen, err);
    if (!st)
        st = cafi_faces_suppress(&seen, d->options.nms, CAFI_OVERLAP_UNION, 0.0, err);
    for (size_t i = 0; !st && i < seen.count; i++)
        st = cafi_faces_add(faces, &seen.items[i], err);
    cafi_faces_free(&seen);
    return st;
}
