#include "faces/shot_outputs.h"

#include <stdio.h>
#include <string.h>

#include "faces/lffd.h"

const size_t cafi_shot_strides[CAFI_SHOT_LEVELS] = {8, 16, 32};

static size_t find_named(const cafi_onnx_file *file, const char *name)
{
    for (size_t i = 0; i < file->output_count; i++)
        if (strcmp(file->outputs[i].name, name) == 0)
            return i;
    return file->output_count;
}

static size_t find_output(const cafi_onnx_file *file, const char *kind, size_t stride)
{
    char name[32];

    snprintf(name, sizeof name, "%s_%zu", kind, stride);
    return find_named(file, name);
}

static bool yunet_places(const cafi_onnx_file *file, cafi_shot_outputs *p)
{
    *p = (cafi_shot_outputs){.anchors = 1, .has_kps = true};
    for (size_t l = 0; l < CAFI_SHOT_LEVELS; l++) {
        p->score[l] = find_output(file, "cls", cafi_shot_strides[l]);
        p->object[l] = find_output(file, "obj", cafi_shot_strides[l]);
        p->box[l] = find_output(file, "bbox", cafi_shot_strides[l]);
        p->kps[l] = find_output(file, "kps", cafi_shot_strides[l]);
        if (p->score[l] == file->output_count || p->object[l] == file->output_count ||
            p->box[l] == file->output_count || p->kps[l] == file->output_count)
            return false;
    }
    return true;
}

/* InsightFace's layout has no telling names: three scores, three boxes and, in
 * models with landmarks, three times ten numbers, each from stride 8 to 32. */
static bool scrfd_places(const cafi_onnx_file *file, cafi_shot_outputs *p)
{
    *p = (cafi_shot_outputs){.anchors = 2, .has_kps = file->output_count == 3 * CAFI_SHOT_LEVELS};
    if (file->output_count != 2 * CAFI_SHOT_LEVELS && file->output_count != 3 * CAFI_SHOT_LEVELS)
        return false;
    for (size_t l = 0; l < CAFI_SHOT_LEVELS; l++) {
        p->score[l] = l;
        p->box[l] = CAFI_SHOT_LEVELS + l;
        p->kps[l] = 2 * CAFI_SHOT_LEVELS + l;
    }
    for (size_t i = 0; i < file->output_count; i++) {
        static const int64_t want[] = {1, 4, 10};
        const cafi_onnx_value *v = &file->outputs[i];
        int64_t last = v->ndim > 0 ? v->dim[v->ndim - 1] : -1;

        if (last >= 0 && last != want[i / CAFI_SHOT_LEVELS])
            return false;
    }
    return true;
}

/* UltraFace (Linzaier's RFB and slim): shares and corners of all candidates. */
static bool ultraface_places(const cafi_onnx_file *file, cafi_shot_outputs *p)
{
    const cafi_onnx_value *score = NULL, *box = NULL;

    *p = (cafi_shot_outputs){.anchors = 1};
    p->score[0] = find_named(file, "scores");
    p->box[0] = find_named(file, "boxes");
    if (file->output_count != 2 || p->score[0] == 2 || p->box[0] == 2)
        return false;
    score = &file->outputs[p->score[0]];
    box = &file->outputs[p->box[0]];
    return score->ndim == 3 && box->ndim == 3 && score->dim[2] == 2 && box->dim[2] == 4;
}

/* Two maps a scale, in order. */
static bool lffd_places(const cafi_onnx_file *file, cafi_shot_outputs *p)
{
    *p = (cafi_shot_outputs){.anchors = 1, .scales = cafi_lffd_scales(file)};
    return p->scales > 0;
}

bool cafi_shot_find_outputs(const cafi_onnx_file *file, cafi_shot_family family,
                            cafi_shot_outputs *out)
{
    switch (family) {
    case CAFI_YUNET:
        return yunet_places(file, out);
    case CAFI_SCRFD:
        return scrfd_places(file, out);
    case CAFI_ULTRAFACE:
        return ultraface_places(file, out);
    case CAFI_LFFD:
        return lffd_places(file, out);
    case CAFI_RETINAFACE:
        break;
    }
    return false;
}
