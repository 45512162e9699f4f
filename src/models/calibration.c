#include "models/calibration.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "models/graph_file.h"

void cafi_input_table(const cafi_input_convention *input, float (*table)[256])
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            table[c][v] = ((float)v - input->mean[c]) * input->scale[c];
}

void cafi_input_load(const cafi_input_convention *input, float (*table)[256], const uint8_t *crop,
                     bool mirrored, float *out)
{
    size_t pixels = input->height * input->width;

    for (size_t c = 0; c < 3; c++) {
        const uint8_t *from = crop + (input->bgr ? 2 - c : c);

        for (size_t i = 0; !mirrored && i < pixels; i++)
            out[c * pixels + i] = table[c][from[3 * i]];
        for (size_t y = 0; mirrored && y < input->height; y++)
            for (size_t x = 0; x < input->width; x++)
                out[c * pixels + y * input->width + x] =
                    table[c][from[3 * ((y + 1) * input->width - 1 - x)]];
    }
}

/* One convolution's scales, an array of numbers. */
static caface_status read_scales(cafi_ranges *ranges, const char *name, const cafi_value *list,
                                 caface_error *err)
{
    size_t count = list->kind == CAFI_LIST ? list->u.list.count : 0;
    float *quanta = NULL;
    caface_status st = CAFACE_OK;

    if (!count)
        return cafi_fail(err, CAFACE_EFORMAT, "calibration of %s is no list of numbers", name);
    st = cafi_alloc_f32(&quanta, 1, count, err);
    for (size_t c = 0; !st && c < count; c++) {
        const cafi_value *v = &list->u.list.items[c];

        quanta[c] = v->kind == CAFI_REAL  ? (float)v->u.real
                    : v->kind == CAFI_INT ? (float)v->u.integer
                                          : -1;
    }
    if (!st)
        st = cafi_ranges_set(ranges, name, quanta, count, err);
    free(quanta);
    return st;
}

caface_status cafi_calibration_read(cafi_ranges **out, const cafi_bundle *bundle, const char *path,
                                    caface_error *err)
{
    const cafi_value *dict =
        bundle ? cafi_value_get(cafi_bundle_config(bundle), CAFI_CALIBRATION_KEY) : NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!dict || dict->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: no calibration for int8 in it; caface calibrate writes a model file "
                         "that has it",
                         path);
    st = cafi_ranges_new(out, err);
    for (size_t i = 0; !st && i < dict->u.list.count; i++)
        st = read_scales(*out, dict->u.list.keys[i], &dict->u.list.items[i], err);
    if (st) {
        cafi_prefix(err, st, path);
        cafi_ranges_free(*out);
        *out = NULL;
    }
    return st;
}

#define ROWS 4

struct cafi_calibration {
    cafi_plan *plan;
    cafi_input_convention convention;
    float table[3][256];
    float *input; /* [ROWS][3][height][width] */
};

caface_status cafi_calibration_new(cafi_calibration **out, cafi_network *network, size_t threads,
                                   caface_error *err)
{
    cafi_plan_options options = {.batch = ROWS, .threads = threads, .calibrate = true};
    size_t pixels = 3 * network->input.height * network->input.width;
    cafi_calibration *run = NULL;
    caface_status st = CAFI_NEW(&run, 1, err);

    *out = NULL;
    if (st)
        return st;
    run->convention = network->input;
    cafi_input_table(&network->input, run->table);
    st = cafi_graph_output(network->graph, network->feature, err);
    if (!st)
        st = cafi_plan_new(&run->plan, network->graph, &options, err);
    if (!st)
        st = CAFI_NEW(&run->input, ROWS * pixels, err);
    if (st) {
        cafi_calibration_free(run);
        return st;
    }
    *out = run;
    return CAFACE_OK;
}

void cafi_calibration_free(cafi_calibration *run)
{
    if (!run)
        return;
    cafi_plan_free(run->plan);
    free(run->input);
    free(run);
}

caface_status cafi_calibration_add(cafi_calibration *run, const uint8_t *crops, size_t n,
                                   cafi_ranges *ranges, caface_error *err)
{
    size_t pixels = 3 * run->convention.height * run->convention.width;
    const float *inputs[] = {run->input};
    caface_status st = CAFACE_OK;

    for (size_t first = 0; !st && first < n; first += ROWS) {
        size_t rows = n - first < ROWS ? n - first : ROWS;

        for (size_t i = 0; i < rows; i++)
            cafi_input_load(&run->convention, run->table, crops + (first + i) * pixels, false,
                            run->input + i * pixels);
        st = cafi_plan_calibrate(run->plan, inputs, rows, ranges, err);
    }
    return st;
}

static caface_status write_scales(cafi_json *json, const cafi_ranges *ranges, size_t index,
                                  caface_error *err)
{
    size_t channels = 0;
    const char *name = cafi_ranges_at(ranges, index, &channels);
    float *quanta = NULL;
    caface_status st = cafi_alloc_f32(&quanta, 1, channels, err);

    if (!st)
        st = cafi_ranges_quanta(ranges, name, channels, quanta, err);
    cafi_json_begin_array(json, name);
    for (size_t c = 0; !st && c < channels; c++)
        cafi_json_real32(json, NULL, quanta[c]);
    cafi_json_end_array(json);
    free(quanta);
    return st;
}

/* The metadata of the copy: what the file had, or the graph of an ONNX file,
 * with the ranges as JSON text. */
static caface_status with_ranges(cafi_value *out, const cafi_value *old, const cafi_value *graph,
                                 const cafi_ranges *ranges, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    cafi_json_begin_object(&json, NULL);
    for (size_t i = 0; old && old->kind == CAFI_DICT && i < old->u.list.count; i++)
        if (strcmp(old->u.list.keys[i], CAFI_CALIBRATION_KEY) != 0)
            cafi_json_value(&json, old->u.list.keys[i], &old->u.list.items[i]);
    if (graph)
        cafi_json_value(&json, CAFI_GRAPH_KEY, graph);
    cafi_json_begin_object(&json, CAFI_CALIBRATION_KEY);
    for (size_t i = 0; !st && i < cafi_ranges_count(ranges); i++)
        st = write_scales(&json, ranges, i, err);
    cafi_json_end_object(&json);
    cafi_json_end_object(&json);
    if (!st)
        st = text.failed ? cafi_fail_memory(err, text.size)
                         : cafi_json_parse(out, text.data, text.size, err);
    cafi_buf_free(&text);
    return st;
}

caface_status cafi_calibration_save(const char *path, const cafi_network *network,
                                    const cafi_ranges *ranges, caface_error *err)
{
    const cafi_bundle *from = network->bundle;
    const cafi_tensor **tensors = NULL;
    cafi_graph_parts parts = {0};
    cafi_value metadata = {0};
    size_t count = 0;
    caface_status st = from ? CAFACE_OK : cafi_graph_file_save(&parts, network, err);

    if (st)
        return st;
    count = from ? cafi_bundle_count(from) : parts.count;
    st = CAFI_NEW(&tensors, count, err);
    for (size_t i = 0; !st && i < count; i++)
        tensors[i] = from ? cafi_bundle_at(from, i) : &parts.tensors[i];
    if (!st)
        st = with_ranges(&metadata, from ? cafi_bundle_config(from) : NULL,
                         from ? NULL : &parts.json, ranges, err);
    if (!st)
        st = cafi_safetensors_save(path, tensors, count, &metadata, err);
    cafi_value_clear(&metadata);
    free((void *)tensors);
    cafi_graph_parts_clear(&parts);
    return st;
}
