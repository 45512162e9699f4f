/* write_networks FOLDER: boxes.onnx and points.onnx, a detector that takes white cells for
 * faces and a landmark network behind it (box_networks.h). */
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

int main(int argc, char **argv)
{
    onnx_writer boxes = {0}, points = {0};

    if (argc != 2)
        return 2;
    box_network(&boxes, 1);
    landmark_network(&points, 1, AS_68, IN_PARTS);
    return save(argv[1], "boxes.onnx", &boxes) || save(argv[1], "points.onnx", &points);
}
