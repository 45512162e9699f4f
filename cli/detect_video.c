#include "cli/detect_video.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/interrupt.h"
#include "cli/live.h"
#include "cli/progress.h"
#include "faces/track_crops.h"

bool detect_is_video(const char *path)
{
    struct stat info;

    if (strcmp(path, "-") == 0 || strstr(path, "://"))
        return true;
    if (stat(path, &info) != 0)
        return false; /* a picture that is not there */
    return (S_ISREG(info.st_mode) && !cafi_sources_is_pictures(path)) || S_ISCHR(info.st_mode);
}

typedef struct watch {
    const cli_common *common;
    const cafi_track_crops *result;
    cli_progress progress;
} watch;

static bool on_frame(void *ctx, size_t done, size_t total)
{
    watch *w = ctx;

    if (done == 1)
        cli_progress_begin(&w->progress, "frames", total, w->common->quiet);
    w->progress.dropped = w->result->dropped;
    cli_progress_update(&w->progress, done);
    return !cli_interrupted();
}

static void add_json(cafi_json *json, const char *path, const cafi_track_crops *r)
{
    char folder[256];

    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "path", path);
    cafi_json_int(json, "frames", (int64_t)r->frames);
    cafi_json_int(json, "brief_tracks", (int64_t)r->brief);
    cafi_json_begin_array(json, "tracks");
    for (size_t i = 0; i < r->count; i++) {
        const cafi_cropped_track *t = &r->tracks[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", t->id);
        cafi_json_string(json, "folder",
                         cafi_crop_folder_track(path, t->id, folder, sizeof folder));
        cafi_json_int(json, "faces", (int64_t)t->faces);
        cafi_json_int(json, "first_frame", (int64_t)t->first);
        cafi_json_int(json, "last_frame", (int64_t)t->last);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_int(json, "dropped_frames", (int64_t)r->dropped);
    cafi_json_int(json, "reopened", (int64_t)r->counts.reopened);
    cafi_json_end_object(json);
}

static void print(const char *path, const cafi_track_crops *r)
{
    char folder[256];

    cli_say(stdout, "%s: %zu frame%s, %zu track%s\n", path, r->frames, cafi_plural(r->frames),
            r->count, cafi_plural(r->count));
    for (size_t i = 0; i < r->count; i++)
        cli_say(stdout, "  %s  %zu face%s, frames %zu to %zu\n",
                cafi_crop_folder_track(path, r->tracks[i].id, folder, sizeof folder),
                r->tracks[i].faces, cafi_plural(r->tracks[i].faces), r->tracks[i].first,
                r->tracks[i].last);
    if (r->brief)
        cli_say(stdout, "  %zu shorter ones are left out\n", r->brief);
}

caface_status detect_video(const detect_videos *how, const char *path, cafi_json *json,
                           char **failure, caface_error *err)
{
    cafi_track_crops result = {0};
    watch w = {.common = how->common, .result = &result};
    cafi_track_crops_options o = {.path = path,
                                  .detector = how->detector,
                                  .quality = how->quality,
                                  .gate = how->gate,
                                  .video = how->reading,
                                  .threads = how->common->threads,
                                  .progress = on_frame,
                                  .ctx = &w};
    caface_error why = {CAFACE_OK, ""};
    char text[256];
    caface_status st = CAFACE_OK;

    *failure = NULL;
    cafi_track_defaults(&o.track);
    st = cafi_track_crops_run(&result, how->crops, &o, &why);
    if (result.frames)
        cli_progress_end(&w.progress);
    if (st && !result.frames && st != CAFACE_ENOMEM) { /* nothing was written yet */
        st = cafi_strdup(failure, why.message, err);
    } else if (st) {
        if (err)
            *err = why;
    } else {
        if (how->common->json)
            add_json(json, path, &result);
        else if (!how->common->quiet)
            print(path, &result);
        cli_live_report(result.dropped, result.frames, result.counts.reopened);
        if (!cafi_counts_complete(&result.counts)) {
            cafi_fail(&why, CAFACE_EFORMAT, "%s: %s", path,
                      cafi_counts_text(&result.counts, text, sizeof text));
            st = cafi_strdup(failure, why.message, err);
        }
    }
    cafi_track_crops_clear(&result);
    return st;
}
