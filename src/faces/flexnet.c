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
    size_t bytes; /* of all slots */
    uint64_t clock;
    cafi_flexnet_slot *slots[MAX_SLOTS];
    size_t count;
};

caface_status cafi_flexnet_new(cafi_flexnet **out, cafi_flexnet_build build, void *ctx,
                               size_t batch, size_t threads, size_t bytes, caface_error *err)
{
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof **out, err);

    *out = memory;
    if (!st) {
        (*out)->build = build;
        (*out)->ctx = ctx;
        (*out)->batch = batch;
        (*out)->threads = threads;
        (*out)->limit = bytes;
    }
    return st;
}

static void slot_free(cafi_flexnet_slot *slot)
{
    if (!slot)
        return;
    cafi_plan_free(slot->plan);
    free(slot->input);
    for (size_t i = 0; i < slot->output_count; i++)
        free(slot->output[i]);
    free(slot);
}

void cafi_flexnet_free(cafi_flexnet *net)
{
    if (!net)
        return;
    for (size_t i = 0; i < net->count; i++)
        slot_free(net->slots[i]);
    free(net);
}

/* Buffers for the outputs that the graph marks. */
static caface_status slot_outputs(cafi_flexnet_slot *slot, const cafi_graph *graph, size_t batch,
                                  caface_error *err)
{
    size_t count = cafi_graph_output_count(graph);
    caface_status st = CAFACE_OK;

    if (count > CAFI_FLEXNET_MAX_OUTPUTS)
        return cafi_fail(err, CAFACE_EMODEL, "the network has %zu outputs, at most %d are read",
                         count, CAFI_FLEXNET_MAX_OUTPUTS);
    for (size_t i = 0; !st && i < count; i++) {
        cafi_shape shape = cafi_graph_node(graph, cafi_graph_output_at(graph, i))->shape;
        size_t elements = 0;

        if (shape.ndim > 0 && shape.dim[0] == CAFI_BATCH)
            shape.dim[0] = (int64_t)batch;
        slot->shape[i] = shape;
        if (!cafi_shape_count(&shape, batch, &elements))
            return cafi_fail_memory(err, ~0ULL);
        st = cafi_alloc_f32(&slot->output[i], elements, 1, err);
        slot->output_count = i + 1;
        slot->bytes += elements * sizeof(float);
    }
    return st;
}

static caface_status slot_make(const cafi_flexnet *net, size_t height, size_t width,
                               cafi_flexnet_slot **out, caface_error *err)
{
    const cafi_plan_options options = {
        .precision = CAFACE_FP32, .batch = net->batch, .threads = net->threads};
    cafi_graph *graph = NULL;
    cafi_flexnet_slot *slot = NULL;
    void *memory = NULL;
    size_t plane = 0, weights = 0, buffers = 0;
    caface_status st;

    if (!cafi_mul_size(height, width, &plane) || !cafi_mul_size(plane, 3, &plane))
        return cafi_fail_memory(err, ~0ULL);
    st = cafi_alloc(&memory, 1, sizeof *slot, err);
    if (st)
        return st;
    slot = memory;
    slot->height = height;
    slot->width = width;
    (void)((st = net->build(net->ctx, height, width, &graph, err)) ||
           (st = slot_outputs(slot, graph, net->batch, err)) ||
           (st = cafi_plan_new(&slot->plan, graph, &options, err)) ||
           (st = cafi_alloc_f32(&slot->input, net->batch, plane, err)));
    cafi_graph_free(graph);
    if (st) {
        slot_free(slot);
        return st;
    }
    memset(slot->input, 0, net->batch * plane * sizeof(float));
    cafi_plan_memory(slot->plan, &weights, &buffers);
    slot->bytes += weights + buffers + net->batch * plane * sizeof(float);
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
    const float *input = slot->input;

    return cafi_plan_run(slot->plan, &input, slot->output, err);
}

void cafi_flexnet_fill(float *out, size_t height, size_t width, const cafi_view *picture,
                       const cafi_pixel_map *map)
{
    const cafi_map_kernels *kernels = cafi_map_kernels_get();
    size_t plane = height * width;
    float mean[3]; /* of red, green, blue */

    for (size_t c = 0; c < 3; c++)
        mean[map->bgr ? 2 - c : c] = map->mean[c];
    for (size_t y = 0; y < height; y++) {
        float *row = out + y * width;
        float *planes[3] = {row + (map->bgr ? 2 * plane : 0), row + plane,
                            row + (map->bgr ? 0 : 2 * plane)};
        size_t filled = y < picture->height ? picture->width : 0;

        kernels->pixels(picture->rgb + y * picture->width * 3 * (filled > 0), filled, mean,
                        map->scale, planes);
        for (size_t c = 0; c < 3; c++)
            for (size_t x = filled; x < width; x++)
                planes[c][x] = map->outside;
    }
}
