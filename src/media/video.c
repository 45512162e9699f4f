#include "media/video.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "media/folder.h"
#include "media/image.h"

/* A folder's pictures have no times of their own. */
#define FOLDER_RATE 25.0

struct cafi_video {
    cafi_stream *stream; /* NULL for a folder */
    cafi_folder folder;
    size_t next; /* of the folder's pictures */
    cafi_image image;
    cafi_stream_counts counts; /* of a folder */
    cafi_video_options options;
    char *path;
    cafi_clip clip;
};

cafi_clip_step cafi_clip_next(cafi_clip *c, double seconds, cafi_frame *frame)
{
    if (seconds < c->start)
        return CAFI_CLIP_SKIP;
    if (c->seen == 0)
        c->first = seconds;
    if (c->duration > 0.0 && seconds >= c->first + c->duration)
        return CAFI_CLIP_END;
    frame->index = c->seen++;
    frame->seconds = seconds;
    return c->every > 1 && frame->index % c->every ? CAFI_CLIP_SKIP : CAFI_CLIP_TAKE;
}

const char *cafi_chroma_name(cafi_chroma chroma)
{
    static const char *const names[] = {
        [CAFI_CHROMA_FULL] = "full", [CAFI_CHROMA_FAST] = "fast", [CAFI_CHROMA_OPENCV] = "opencv"};

    return names[chroma];
}

bool cafi_chroma_parse(cafi_chroma *out, const char *text)
{
    for (size_t i = 0; i < CAFI_CHROMA_COUNT; i++)
        if (!strcmp(text, cafi_chroma_name((cafi_chroma)i))) {
            *out = (cafi_chroma)i;
            return true;
        }
    return false;
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

caface_status cafi_video_open(cafi_video **out, const char *path, const cafi_video_options *options,
                              caface_error *err)
{
    cafi_video *v = NULL;
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof *v, err);

    *out = NULL;
    if (st)
        return st;
    v = memory;
    if (options)
        v->options = *options;
    v->clip = (cafi_clip){
        .every = v->options.every, .start = v->options.start, .duration = v->options.duration};
    st = cafi_strdup(&v->path, path, err);
    if (!st)
        st = is_folder(path)
                 ? cafi_folder_open(&v->folder, path, err)
                 : cafi_stream_open(&v->stream, path, v->options.threads, v->options.stop, err);
    if (st) {
        cafi_video_close(v);
        return st;
    }
    if (v->stream) {
        cafi_stream_set_chroma(v->stream, v->options.chroma);
        cafi_stream_seek(v->stream, v->options.start);
    }
    *out = v;
    return CAFACE_OK;
}

void cafi_video_close(cafi_video *v)
{
    if (!v)
        return;
    cafi_stream_close(v->stream);
    cafi_folder_clear(&v->folder);
    cafi_image_clear(&v->image);
    free(v->path);
    free(v);
}

/* The folder's next good picture; the others are counted. */
static caface_status next_picture(cafi_video *v, double *seconds, bool *got, caface_error *err)
{
    for (*got = false; !*got && v->next < v->folder.count; v->next++) {
        caface_status st = cafi_image_read(&v->image, v->folder.paths[v->next], err);

        if (st == CAFACE_ENOMEM)
            return st;
        *got = st == CAFACE_OK;
        v->counts.decoded += *got;
        v->counts.broken += !*got;
        *seconds = (double)v->next / FOLDER_RATE;
    }
    return CAFACE_OK;
}

static caface_status advance(cafi_video *v, double *seconds, bool *got, caface_error *err)
{
    return v->stream ? cafi_stream_advance(v->stream, seconds, got, err)
                     : next_picture(v, seconds, got, err);
}

static caface_status pixels(cafi_video *v, cafi_frame *frame, caface_error *err)
{
    caface_status st;

    if (v->stream)
        return cafi_stream_pixels(v->stream, frame, err);
    st = cafi_frame_reserve(frame, v->image.width, v->image.height, err);
    if (!st)
        memcpy(frame->rgb, v->image.rgb, v->image.width * v->image.height * 3);
    return st;
}

caface_status cafi_video_next(cafi_video *v, cafi_frame *frame, bool *got, caface_error *err)
{
    for (;;) {
        double seconds = 0.0;
        cafi_clip_step step = CAFI_CLIP_SKIP;
        caface_status st = advance(v, &seconds, got, err);

        if (st)
            return cafi_prefix(err, st, v->path);
        if (!*got) {
            if (cafi_video_counts(v).decoded == 0)
                return cafi_fail(err, CAFACE_EFORMAT, "%s: no frame could be decoded", v->path);
            return CAFACE_OK;
        }
        step = cafi_clip_next(&v->clip, seconds, frame);
        *got = step == CAFI_CLIP_TAKE;
        if (step == CAFI_CLIP_SKIP)
            continue;
        if (step == CAFI_CLIP_END)
            return CAFACE_OK;
        st = pixels(v, frame, err);
        return st ? cafi_prefix(err, st, v->path) : CAFACE_OK;
    }
}

cafi_stream_info cafi_video_info(const cafi_video *v)
{
    cafi_stream_info info = {.codec = "pictures",
                             .width = v->image.width,
                             .height = v->image.height,
                             .rate = FOLDER_RATE,
                             .duration = (double)v->folder.count / FOLDER_RATE,
                             .frames = v->folder.count};

    return v->stream ? cafi_stream_get_info(v->stream) : info;
}

cafi_stream_counts cafi_video_counts(const cafi_video *v)
{
    return v->stream ? cafi_stream_get_counts(v->stream) : v->counts;
}

const char *cafi_counts_text(const cafi_stream_counts *c, char *text, size_t size)
{
    int n = snprintf(text, size, "%zu frame%s could not be decoded, %zu could",
                     c->broken + c->missing, cafi_plural(c->broken + c->missing), c->decoded);

    if (c->announced > 0.0 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, "; it should last %.2f s and ends at %.2f s",
                 c->announced, c->reached);
    else if (c->bytes && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n,
                 "; the file breaks off at %llu bytes, inside a part that ends at %llu",
                 (unsigned long long)c->bytes, (unsigned long long)c->part_end);
    return text;
}
