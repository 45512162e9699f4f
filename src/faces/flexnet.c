#include "faces/flexnet.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/kernels.h"

#define MAX_SLOTS 64

struct cafi_flexnet {
    cafi_flexnet_build build;
    void *ctx;
    size_t batch, threads, limit;
    caface_precision precision;
    cafi_check check;
    size_t bytes; /* of all slots */
    cafi_room *room;
    uint64_t clock;
    cafi_flexnet_slot *slots[MAX_SLOTS];
    size_t count;
};

caface_status cafi_flexnet_new(cafi_flexnet **out, cafi_flexnet_build build, void *ctx,
                               size_t batch, caface_precision precision, size_t threads,
                               cafi_check check, size_t bytes, caface_error *err)
{
    cafi_flexnet *net = NULL;
    caface_status st = CAFI_NEW(&net, 1, err);

    *out = NULL;
    if (st)
        return st;
    net->build = build;
    net->ctx = ctx;
    net->batch = batch;
    net->precision = precision;
    net->threads = threads;
    net->check = check;
    net->limit = bytes;
    if ((st = cafi_room_new(&net->room, err))) {
        cafi_flexnet_free(net);
        return st;
    }
    *out = net;
    return CAFACE_OK;
}

static void slot_free(cafi_flexnet_slot *slot)
{
    if (!slot)
        return;
    cafi_plan_free(slot->plan);
    free(slot);
}

void cafi_flexnet_free(cafi_flexnet *net)
{
    if (!net)
        return;
    for (size_t i = 0; i < net->count; i++)
        slot_free(net->slots[i]);
    cafi_room_free(net->room);
    free(net);
}

/* The shapes of the outputs that the graph marks. */
static caface_status slot_outputs(cafi_flexnet_slot *slot, const cafi_graph *graph, size_t batch,
                                  caface_error *err)
{
    size_t count = cafi_graph_output_count(graph);

    if (count > CAFI_FLEXNET_MAX_OUTPUTS)
        return cafi_fail(err, CAFACE_EMODEL, "the network has %zu outputs, at most %d are read",
                         count, CAFI_FLEXNET_MAX_OUTPUTS);
    for (size_t i = 0; i < count; i++) {
        cafi_shape shape = cafi_graph_node(graph, cafi_graph_output_at(graph, i))->shape;

        if (shape.ndim > 0 && shape.dim[0] == CAFI_BATCH)
            shape.dim[0] = (int64_t)batch;
        slot->shape[i] = shape;
    }
    slot->output_count = count;
    return CAFACE_OK;
}

static caface_status slot_make(const cafi_flexnet *net, size_t height, size_t width,
                               cafi_flexnet_slot **out, caface_error *err)
{
    const cafi_plan_options options = {.precision = net->precision,
                                       .batch = net->batch,
                                       .threads = net->threads,
                                       .check = net->check,
                                       .in_place = true,
                                       .room = net->room};
    cafi_graph *graph = NULL;
    cafi_flexnet_slot *slot = NULL;
    void *memory = NULL;
    size_t weights = 0, buffers = 0;
    caface_status st;

    st = cafi_alloc(&memory, 1, sizeof *slot, err);
    if (st)
        return st;
    slot = memory;
    slot->height = height;
    slot->width = width;
    slot->batch = net->batch;
    (void)((st = net->build(net->ctx, height, width, &graph, err)) ||
           (st = slot_outputs(slot, graph, net->batch, err)) ||
           (st = cafi_plan_new(&slot->plan, graph, &options, err)) ||
           (st = cafi_plan_open(slot->plan, err)));
    cafi_graph_free(graph);
    if (st) {
        slot_free(slot);
        return st;
    }
    slot->input = cafi_plan_input(slot->plan, 0, &slot->order);
    for (size_t i = 0; i < slot->output_count; i++)
        slot->output[i] = cafi_plan_output(slot->plan, i);
    cafi_plan_memory(slot->plan, &weights, &buffers);
    slot->bytes = weights + buffers;
    *out = slot;
    return CAFACE_OK;
}

static void drop_oldest(cafi_flexnet *net)
{
    size_t oldest = 0;

    for (size_t i = 1; i < net->count; i++)
        if (net->slots[i]->used < net->slots[oldest]->used)
            oldest = i;
    net->bytes -= net->slots[oldest]->bytes;
    slot_free(net->slots[oldest]);
    net->slots[oldest] = net->slots[--net->count];
}

caface_status cafi_flexnet_get(cafi_flexnet *net, size_t height, size_t width,
                               cafi_flexnet_slot **out, caface_error *err)
{
    cafi_flexnet_slot *slot = NULL;
    caface_status st;

    net->clock++;
    for (size_t i = 0; i < net->count; i++)
        if (net->slots[i]->height == height && net->slots[i]->width == width) {
            net->slots[i]->used = net->clock;
            *out = net->slots[i];
            return CAFACE_OK;
        }
    while (net->count && (net->count == MAX_SLOTS || net->bytes > net->limit))
        drop_oldest(net);
    st = slot_make(net, height, width, &slot, err);
    if (st)
        return st;
    slot->used = net->clock;
    net->bytes += slot->bytes;
    net->slots[net->count++] = slot;
    *out = slot;
    return CAFACE_OK;
}

caface_status cafi_flexnet_run(cafi_flexnet_slot *slot, caface_error *err)
{
    return cafi_plan_run_in_place(slot->plan, err);
}

/* What is beside and below the picture. */
static void fill_outside(float *x, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        x[i] = value;
}

/* Means of red, green and blue, and where their planes begin. */
static void colours_of(const cafi_pixel_map *map, float *out, size_t plane, float mean[3],
                       float *planes[3])
{
    for (size_t c = 0; c < 3; c++) {
        size_t colour = map->bgr ? 2 - c : c;

        mean[colour] = map->mean[c];
        planes[colour] = out + c * plane;
    }
}

void cafi_flexnet_fill_rows(cafi_flexnet_slot *slot, const uint8_t *pictures, size_t count,
                            const cafi_pixel_map *map)
{
    size_t pixels = slot->height * slot->width;
    float mean[3], *planes[3];

    if (slot->order == CAFI_INPUT_ROWS_LAST) {
        colours_of(map, slot->input, pixels * slot->batch, mean, planes);
        cafi_map_kernels_get()->pixels_side(pictures, pixels, count, slot->batch, mean, map->scale,
                                            planes);
        return;
    }
    for (size_t r = 0; r < count; r++)
        cafi_flexnet_fill(slot, r,
                          &(cafi_view){pictures + r * pixels * 3, slot->width, slot->height}, map);
}

void cafi_flexnet_fill(cafi_flexnet_slot *slot, size_t row, const cafi_view *picture,
                       const cafi_pixel_map *map)
{
    const cafi_map_kernels *kernels = cafi_map_kernels_get();
    size_t width = slot->width, plane = slot->height * width;
    float *out = slot->input + row * 3 * plane;
    float mean[3], *top[3];

    colours_of(map, out, plane, mean, top);
    for (size_t y = 0; y < slot->height; y++) {
        size_t filled = y < picture->height ? picture->width : 0;
        const uint8_t *rgb = picture->rgb + y * picture->width * 3 * (filled > 0);
        float *at = out + y * width * (slot->order == CAFI_INPUT_CHANNELS_LAST ? 3 : 1);
        float *planes[3] = {top[0] + y * width, top[1] + y * width, top[2] + y * width};

        if (slot->order == CAFI_INPUT_CHANNELS_LAST) {
            kernels->pixels_last(rgb, filled, map->bgr, map->mean, map->scale, at);
            fill_outside(at + 3 * filled, 3 * (width - filled), map->outside);
            continue;
        }
        kernels->pixels(rgb, filled, mean, map->scale, planes);
        for (size_t c = 0; c < 3; c++)
            fill_outside(planes[c] + filled, width - filled, map->outside);
    }
}
