/* write_networks FOLDER: boxes.onnx and points.onnx, a detector that takes white cells for
 * faces and a landmark network behind it (box_networks.h); and grain.onnx, a backbone that sees
 * fine detail alone. */
#include <stdio.h>

#include "box_networks.h"

static int save(const char *folder, const char *name, onnx_writer *w)
{
    char path[4096];
    FILE *f = NULL;
    int failed = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    failed = !f || fwrite(w->file.data, 1, w->file.size, f) != w->file.size;
    failed |= f && fclose(f) != 0;
    onnx_free(w);
    return failed;
}

/* In every cell of 4x4 pixels, differences of neighbours: what is smooth is next to nothing. */
static void grain_network(onnx_writer *w)
{
    enum { OUT = 4, CELL = 4 };
    const int64_t input[] = {-1, 3, 112, 112}, kernel[] = {CELL, CELL};
    const int64_t weight_shape[] = {OUT, 3, CELL, CELL};
    float weight[OUT][3][CELL][CELL] = {0};

    for (int o = 0; o < OUT; o++)
        for (int c = 0; c < 3; c++) {
            weight[o][c][o][c] = 1.0f;
            weight[o][c][o][c + 1] = -1.0f;
        }
    onnx_input(w, "input", 4, input);
    onnx_output(w, "feature");
    onnx_floats(w, "weight", 4, weight_shape, &weight[0][0][0][0]);
    onnx_begin(w, "Conv", "input,weight", "cells");
    onnx_attr_ints(w, "kernel_shape", 2, kernel);
    onnx_attr_ints(w, "strides", 2, kernel);
    onnx_end(w);
    onnx_node(w, "Flatten", "cells", "feature");
    onnx_finish(w, 13);
}

int main(int argc, char **argv)
{
    onnx_writer boxes = {0}, points = {0}, grain = {0};

    if (argc != 2)
        return 2;
    box_network(&boxes, 1);
    landmark_network(&points, 1, AS_68, IN_PARTS);
    grain_network(&grain);
    return save(argv[1], "boxes.onnx", &boxes) || save(argv[1], "points.onnx", &points) ||
           save(argv[1], "grain.onnx", &grain);
}
