#include "cli/detect_outcome.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "faces/align.h"
#include "faces/draw.h"
#include "faces/pose.h"
#include "files/output.h"
#include "media/image_write.h"
#include "plot/lettering.h"

caface_status detect_judge(detect_outcome *result, const cafi_view *picture,
                           caface_encoder *network, const cafi_quality_gate *gate,
                           caface_error *err)
{
    cafi_faces *faces = &result->faces;
    uint8_t crop[CAFI_CROP_BYTES];
    size_t kept = 0;
    caface_status st = CAFI_NEW(&result->quality, faces->count, err);

    for (size_t i = 0; !st && i < faces->count; i++) {
        cafi_quality q;
        bool cut = !cafi_align_face(crop, picture, faces->items[i].landmark, NULL);

        if (!cut)
            memset(crop, 0, sizeof crop);
        cafi_quality_of_face(&q, &faces->items[i], crop);
        if (cut && network)
            st = caface_encoder_run(network, crop, 1, &q.network, NULL, err);
        if (st || !cafi_quality_passes(gate, &q, NULL)) {
            result->refused++;
            continue;
        }
        result->quality[kept] = q;
        faces->items[kept++] = faces->items[i];
    }
    faces->count = kept;
    return st;
}

void detect_choose(detect_outcome *result, cafi_face_rule rule)
{
    cafi_faces *faces = &result->faces;
    size_t who = 0;

    if (rule == CAFI_FACE_ALL || !faces->count)
        return;
    who = cafi_choose_face(faces, result->width, result->height, rule, NULL);
    if (who < faces->count) {
        faces->items[0] = faces->items[who];
        result->quality[0] = result->quality[who];
    }
    faces->count = who < faces->count;
}

void detect_print(const char *path, const detect_outcome *result)
{
    const cafi_faces *faces = &result->faces;

    cli_say(stdout, "%s: %zu face%s\n", path, faces->count, faces->count == 1 ? "" : "s");
    for (size_t i = 0; i < faces->count; i++) {
        const cafi_face *f = &faces->items[i];
        const cafi_quality *q = &result->quality[i];

        cli_say(stdout, "  %zu  score %.4f  box %.1f %.1f %.1f %.1f", i + 1, (double)f->score,
                (double)f->box.x1, (double)f->box.y1, (double)f->box.x2, (double)f->box.y2);
        cli_say(stdout, "  yaw %.0f pitch %.0f roll %.0f sharpness %.3f", (double)q->yaw,
                (double)q->pitch, (double)q->roll, (double)q->sharpness);
        if (!isnan(q->network))
            cli_say(stdout, " quality %.4f", (double)q->network);
        cli_say(stdout, "\n");
    }
}

void detect_json(cafi_json *json, const char *path, const detect_outcome *result)
{
    const cafi_faces *faces = &result->faces;

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "path", path);
    cafi_json_int(json, "width", (int64_t)result->width);
    cafi_json_int(json, "height", (int64_t)result->height);
    cafi_json_int(json, "turn", 90 * (int64_t)result->faces.quarters);
    cafi_json_begin_array(json, "faces");
    for (size_t i = 0; i < faces->count; i++) {
        const cafi_face *f = &faces->items[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_begin_array(json, "box");
        cafi_json_real32(json, NULL, f->box.x1);
        cafi_json_real32(json, NULL, f->box.y1);
        cafi_json_real32(json, NULL, f->box.x2);
        cafi_json_real32(json, NULL, f->box.y2);
        cafi_json_end_array(json);
        cafi_json_real32(json, "score", f->score);
        cafi_json_begin_array(json, "landmarks");
        for (int k = 0; k < CAFI_LANDMARKS; k++) {
            cafi_json_begin_array(json, NULL);
            cafi_json_real32(json, NULL, f->landmark[k].x);
            cafi_json_real32(json, NULL, f->landmark[k].y);
            cafi_json_end_array(json);
        }
        cafi_json_end_array(json);
        cafi_json_bool(json, "plausible", cafi_landmarks_are_plausible(f->landmark));
        cafi_quality_json(&result->quality[i], json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

caface_status detect_draw(const char *folder, size_t index, const char *path,
                          const cafi_image *image, const cafi_faces *faces, caface_error *err)
{
    cafi_drawing to = {image->rgb, image->width, image->height, cafi_lettering_mask};
    const char *slash = strrchr(path, '/');
    cafi_view view = cafi_image_view(image);
    cafi_buf bytes = {0}, name = {0};
    caface_status st;

    for (size_t i = faces->count; i-- > 0;) {
        const cafi_face *f = &faces->items[i];
        char number[24];

        snprintf(number, sizeof number, "%zu", i + 1);
        cafi_draw_face(&to, f, cafi_paint_of(i));
        cafi_draw_text(&to, (double)f->box.x1, (double)f->box.y1, number, cafi_paint_of(i));
    }
    /* The number makes the name unique; of a long name a part will do. */
    cafi_buf_printf(&name, "%s/%04zu-%.200s.png", folder, index + 1, slash ? slash + 1 : path);
    st = name.failed ? cafi_fail_memory(err, name.size) : cafi_png_encode(&bytes, &view, err);
    if (!st)
        st = cafi_output_save(name.data, bytes.data, bytes.size, err);
    cafi_buf_free(&name);
    cafi_buf_free(&bytes);
    return st;
}
