#include "models/calibration.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/json.h"
#include "files/safetensors.h"

void cafi_input_table(const cafi_input_convention *input, float (*table)[256])
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            table[c][v] = ((float)v - input->mean[c]) * input->scale[c];
}

void cafi_input_load(const cafi_input_convention *input, float (*table)[256], const uint8_t *crop,
                     float *out)
{
    size_t pixels = input->height * input->width;

    for (size_t c = 0; c < 3; c++) {
        const uint8_t *from = crop + (input->bgr ? 2 - c : c);

        for (size_t i = 0; i < pixels; i++)
            out[c * pixels + i] = table[c][from[3 * i]];
    }
}

caface_status cafi_calibration_read(cafi_ranges **out, const cafi_bundle *bundle, caface_error *err)
{
    const cafi_value *dict =
        bundle ? cafi_value_get(cafi_bundle_config(bundle), CAFI_CALIBRATION_KEY) : NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!dict || dict->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: no calibration for int8 in it; caface calibrate writes a model file "
                         "that has it",
                         bundle ? cafi_bundle_path(bundle) : "model");
    st = cafi_ranges_new(out, err);
    for (size_t i = 0; !st && i < dict->u.list.count; i++) {
        const cafi_value *v = &dict->u.list.items[i];
        double range = v->kind == CAFI_REAL  ? v->u.real
                       : v->kind == CAFI_INT ? (double)v->u.integer
                                             : -1;

        if (!(range >= 0 && range < 1e30))
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: calibration of %s is not a size",
                           cafi_bundle_path(bundle), dict->u.list.keys[i]);
        else
            st = cafi_ranges_set(*out, dict->u.list.keys[i], (float)range, err);
    }
    if (st) {
        cafi_ranges_free(*out);
        *out = NULL;
    }
    return st;
}

#define ROWS 4

caface_status cafi_calibration_run(cafi_network *network, const uint8_t *crops, size_t n,
                                   size_t threads, cafi_ranges *ranges, caface_error *err)
{
    cafi_plan_options options = {.batch = ROWS, .threads = threads, .calibrate = true};
    size_t pixels = 3 * network->input.height * network->input.width;
    float table[3][256];
    float *input = NULL;
    cafi_plan *plan = NULL;
    caface_status st = cafi_graph_output(network->graph, network->feature, err);

    if (!st)
        st = cafi_plan_new(&plan, network->graph, &options, err);
    if (!st)
        st = cafi_alloc((void **)&input, ROWS * pixels, sizeof(float), err);
    cafi_input_table(&network->input, table);
    for (size_t first = 0; !st && first < n; first += ROWS) {
        size_t rows = n - first < ROWS ? n - first : ROWS;
        const float *inputs[] = {input};

        for (size_t i = 0; i < rows; i++)
            cafi_input_load(&network->input, table, crops + (first + i) * pixels,
                            input + i * pixels);
        st = cafi_plan_calibrate(plan, inputs, rows, ranges, err);
    }
    free(input);
    cafi_plan_free(plan);
    return st;
}

/* The metadata of the copy: what the file had, with the ranges as JSON text. */
static caface_status with_ranges(cafi_value *out, const cafi_value *old, const cafi_ranges *ranges,
                                 caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    cafi_json_begin_object(&json, NULL);
    for (size_t i = 0; old && old->kind == CAFI_DICT && i < old->u.list.count; i++)
        if (strcmp(old->u.list.keys[i], CAFI_CALIBRATION_KEY) != 0)
            cafi_json_value(&json, old->u.list.keys[i], &old->u.list.items[i]);
    cafi_json_begin_object(&json, CAFI_CALIBRATION_KEY);
    for (size_t i = 0; i < cafi_ranges_count(ranges); i++) {
        float value = 0;
        const char *name = cafi_ranges_at(ranges, i, &value);

        cafi_json_real32(&json, name, value);
    }
    cafi_json_end_object(&json);
    cafi_json_end_object(&json);
    st = text.failed ? cafi_fail_memory(err, text.size)
                     : cafi_json_parse(out, text.data, text.size, err);
    cafi_buf_free(&text);
    return st;
}

caface_status cafi_calibration_save(const char *path, const cafi_bundle *from,
                                    const cafi_ranges *ranges, caface_error *err)
{
    const cafi_tensor **tensors = NULL;
    size_t count = cafi_bundle_count(from);
    cafi_value metadata = {0};
    caface_status st = cafi_alloc((void **)&tensors, count, sizeof(const cafi_tensor *), err);

    for (size_t i = 0; !st && i < count; i++)
        tensors[i] = cafi_bundle_at(from, i);
    if (!st)
        st = with_ranges(&metadata, cafi_bundle_config(from), ranges, err);
    if (!st)
        st = cafi_safetensors_save(path, tensors, count, &metadata, err);
    cafi_value_clear(&metadata);
    free((void *)tensors);
    return st;
}
