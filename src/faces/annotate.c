#include "faces/annotate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "faces/draw.h"
#include "faces/resample.h"
#include "media/video_write.h"

/* The longer side from which text is readable. */
#define READABLE 640
/* The share that fills the bar under a box. */
#define FULL_BAR 4.0

struct cafi_annotator {
    cafi_video_writer *writer;
    cafi_text_mask letters;
};

caface_status cafi_annotator_open(cafi_annotator **out, const char *path, double rate,
                                  size_t threads, cafi_text_mask letters, caface_error *err)
{
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof **out, err);

    *out = memory;
    if (!st)
        (*out)->letters = letters;
    if (!st)
        st = cafi_video_writer_open(&(*out)->writer, path, rate, threads, err);
    if (st) {
        free(memory);
        *out = NULL;
    }
    return st;
}

static cafi_face enlarged(const cafi_face *face, float factor)
{
    cafi_face f = *face;

    f.box = (cafi_box){f.box.x1 * factor, f.box.y1 * factor, f.box.x2 * factor, f.box.y2 * factor};
    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        f.landmark[i].x = (f.landmark[i].x + 0.5f) * factor - 0.5f;
        f.landmark[i].y = (f.landmark[i].y + 0.5f) * factor - 0.5f;
    }
    return f;
}

static void draw_mark(const cafi_drawing *to, const cafi_mark *mark, float factor)
{
    const cafi_paint grey = {150, 150, 150};
    cafi_paint ink = mark->track ? cafi_paint_of((size_t)(mark->track - 1)) : grey;
    cafi_face face = enlarged(mark->face, factor);
    char text[96];

    cafi_draw_face(to, &face, ink);
    if (!mark->track)
        return;
    if (mark->share >= 0.0)
        cafi_draw_bar(to, &face.box, mark->share / FULL_BAR, ink);
    snprintf(text, sizeof text, "%lld%s%s", (long long)mark->track, mark->note ? " " : "",
             mark->note ? mark->note : "");
    cafi_draw_text(to, (double)face.box.x1, (double)face.box.y1, text, ink);
    if (mark->share >= 0.0) {
        cafi_format(text, sizeof text, "%.2fx", fmin(mark->share, 9999.0));
        cafi_draw_text(to, (double)face.box.x1, (double)face.box.y2 + cafi_draw_text_below(to),
                       text, ink);
    }
}

caface_status cafi_annotator_add(cafi_annotator *a, cafi_frame *frame, const cafi_mark *marks,
                                 size_t count, caface_error *err)
{
    size_t longer = frame->width > frame->height ? frame->width : frame->height;
    size_t factor = longer && longer < READABLE ? (READABLE + longer - 1) / longer : 1;
    cafi_view view = cafi_frame_view(frame);
    cafi_drawing to = {frame->rgb, frame->width, frame->height, a->letters};
    uint8_t *larger = NULL;
    caface_status st = CAFACE_OK;

    if (factor > 1) {
        to.width *= factor;
        to.height *= factor;
        st = cafi_resample(&larger, &view, to.width, to.height, err);
        to.rgb = larger;
    }
    for (size_t i = count; !st && i-- > 0;)
        draw_mark(&to, &marks[i], (float)factor);
    view = (cafi_view){to.rgb, to.width, to.height};
    if (!st)
        st = cafi_video_writer_add(a->writer, &view, frame->seconds, err);
    free(larger);
    return st;
}

caface_status cafi_annotator_commit(cafi_annotator *a, caface_error *err)
{
    caface_status st = cafi_video_writer_commit(a->writer, err);

    free(a);
    return st;
}

void cafi_annotator_abort(cafi_annotator *a)
{
    if (!a)
        return;
    cafi_video_writer_abort(a->writer);
    free(a);
}
