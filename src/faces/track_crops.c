#include "faces/track_crops.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "faces/align.h"

/* A face that waits for its track to become one. */
typedef struct waiting {
    cafi_crop_moment moment;
    cafi_face face;
    cafi_quality quality;
    uint8_t crop[CAFI_CROP_BYTES];
} waiting;

typedef struct follower {
    int64_t id;
    size_t faces, last_seen; /* the latter in frames of the run */
    waiting *early;          /* [faces], until there are enough */
    size_t early_room;
    size_t place; /* among the result's tracks, once there are enough */
} follower;

typedef struct job {
    const cafi_track_crops_options *o;
    cafi_crop_folder *crops;
    cafi_track_crops *out;
    follower *followers; /* of tracks that somebody may come back to */
    size_t count, room, total;
} job;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

static caface_status follower_of(job *j, int64_t id, follower **out, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < j->count; i++)
        if (j->followers[i].id == id) {
            *out = &j->followers[i];
            return CAFACE_OK;
        }
    if ((st = CAFI_GROW(&j->followers, &j->room, j->count + 1, err)))
        return st;
    *out = &j->followers[j->count++];
    **out = (follower){.id = id};
    return CAFACE_OK;
}

static caface_status keep_early(follower *f, const cafi_sighting *face,
                                const cafi_crop_moment *moment, caface_error *err)
{
    caface_status st = CAFI_GROW(&f->early, &f->early_room, f->faces + 1, err);

    if (st)
        return st;
    f->early[f->faces].moment = *moment;
    f->early[f->faces].face = face->face;
    f->early[f->faces].quality = face->quality;
    memcpy(f->early[f->faces].crop, face->crop, CAFI_CROP_BYTES);
    return CAFACE_OK;
}

/* The faces that waited; the track is one of the result's from now on. */
static caface_status write_early(job *j, follower *f, caface_error *err)
{
    cafi_track_crops *out = j->out;
    caface_status st = CAFI_GROW(&out->tracks, &out->room, out->count + 1, err);

    for (size_t i = 0; !st && i < f->faces; i++)
        st = cafi_crop_folder_put(j->crops, j->o->path, &f->early[i].moment, f->early[i].crop,
                                  &f->early[i].face, &f->early[i].quality, err);
    if (st)
        return st;
    f->place = out->count;
    out->tracks[out->count++] = (cafi_cropped_track){
        .id = f->id, .faces = f->faces, .first = f->faces ? f->early[0].moment.frame : SIZE_MAX};
    free(f->early);
    f->early = NULL;
    return CAFACE_OK;
}

static caface_status add_face(job *j, const cafi_frame *frame, const cafi_sighting *face,
                              caface_error *err)
{
    const cafi_crop_moment moment = {face->track, frame->index, frame->seconds};
    follower *f = NULL;
    cafi_cropped_track *t = NULL;
    caface_status st = follower_of(j, face->track, &f, err);

    if (st)
        return st;
    f->last_seen = j->out->frames;
    if (f->faces + 1 < j->o->track.confirm) {
        st = keep_early(f, face, &moment, err);
        f->faces += !st;
        return st;
    }
    if (f->faces + 1 == j->o->track.confirm && (st = write_early(j, f, err)))
        return st;
    if ((st = cafi_crop_folder_put(j->crops, j->o->path, &moment, face->crop, &face->face,
                                   &face->quality, err)))
        return st;
    f->faces++;
    t = &j->out->tracks[f->place];
    t->faces = f->faces;
    t->first = t->first == SIZE_MAX ? frame->index : t->first;
    t->last = frame->index;
    return CAFACE_OK;
}

/* Forgets the tracks that nobody can come back to; with `all`, every one. */
static void end_tracks(job *j, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < j->count; i++) {
        follower f = j->followers[i];

        if (!all && j->out->frames - f.last_seen <= j->o->track.gap) {
            j->followers[kept++] = f;
            continue;
        }
        j->out->brief += f.faces < j->o->track.confirm;
        free(f.early);
    }
    j->count = kept;
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    job *j = ctx;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < done->count; i++)
        if (done->faces[i].track && done->faces[i].passes)
            st = add_face(j, done->frame, &done->faces[i], err);
    end_tracks(j, false);
    j->out->frames++;
    j->out->dropped = done->dropped;
    if (!st && j->o->progress && !j->o->progress(j->o->ctx, j->out->frames, j->total))
        st = CAFACE_ECANCELLED;
    return st;
}

caface_status cafi_track_crops_run(cafi_track_crops *out, cafi_crop_folder *crops,
                                   const cafi_track_crops_options *options, caface_error *err)
{
    job j = {.o = options, .crops = crops, .out = out};
    cafi_pipeline_options o = {.reader = read_frame,
                               .detector = options->detector,
                               .quality = options->quality,
                               .gate = options->gate,
                               .track = &options->track,
                               .live = options->video.live,
                               .threads = options->threads,
                               .stop = options->video.stop};
    cafi_pipeline_result result;
    cafi_video *video = NULL;
    caface_status st = cafi_video_open(&video, options->path, &options->video, err);

    *out = (cafi_track_crops){0};
    if (st)
        return st;
    j.total = options->video.duration > 0.0 ? 0 : cafi_video_info(video).frames;
    o.source = video;
    st = cafi_pipeline_run(&result, &o, take_frame, &j, err);
    out->counts = cafi_video_counts(video);
    out->dropped = result.dropped;
    end_tracks(&j, true);
    free(j.followers);
    cafi_video_close(video);
    return st;
}

void cafi_track_crops_clear(cafi_track_crops *result)
{
    free(result->tracks);
    *result = (cafi_track_crops){0};
}
