/* The public side of tracking (caface/tracker.h). */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"
#include "faces/cut.h"
#include "faces/track.h"
#include "media/shared_image.h"

struct caface_tracker {
    cafi_tracker *tracks;
    cafi_cut_detector cut;
    float threshold; /* of a cut */
    size_t width;
    bool begins; /* a shot begins with the next frame: the caller says so */
};

void caface_tracker_options_init_sized(caface_tracker_options *options, size_t size)
{
    cafi_track_options d;
    caface_tracker_options own;

    cafi_track_defaults(&d);
    own = (caface_tracker_options){.size = size,
                                   .high = d.high,
                                   .low = d.low,
                                   .overlap = d.overlap,
                                   .faint_overlap = d.faint_overlap,
                                   .same = d.same,
                                   .different = d.different,
                                   .cut = d.cut,
                                   .gap = d.gap};
    cafi_sized_out(options, size, &own, sizeof own);
}

caface_status cafi_track_options_take(cafi_track_options *out, const caface_tracker_options *given,
                                      caface_error *err)
{
    caface_tracker_options o;
    caface_status st = CAFACE_OK;

    caface_tracker_options_init(&o);
    if (given)
        st = cafi_sized_in(&o, sizeof o, given, given->size, sizeof o, "tracker", err);
    if (st)
        return st;
    if (!isfinite(o.high) || !isfinite(o.low) || !isfinite(o.overlap) ||
        !isfinite(o.faint_overlap) || !isfinite(o.same) || !isfinite(o.different) ||
        !isfinite(o.cut))
        return cafi_fail(err, CAFACE_EINVAL, "tracker: an option is not a finite number");
    cafi_track_defaults(out);
    out->high = o.high;
    out->low = o.low;
    out->overlap = o.overlap;
    out->faint_overlap = o.faint_overlap;
    out->same = o.same;
    out->different = o.different;
    out->cut = o.cut;
    out->gap = o.gap;
    return CAFACE_OK;
}

caface_status caface_tracker_new(caface_tracker **out, size_t width,
                                 const caface_tracker_options *options, caface_error *err)
{
    cafi_track_options own;
    caface_tracker *t = NULL;
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "tracker_new: null argument");
    *out = NULL;
    if ((st = cafi_track_options_take(&own, options, err)) || (st = CAFI_NEW(&t, 1, err)))
        return st;
    t->threshold = own.cut;
    t->width = width;
    if ((st = cafi_tracker_new(&t->tracks, &own, width, err))) {
        free(t);
        return st;
    }
    *out = t;
    return CAFACE_OK;
}

void caface_tracker_free(caface_tracker *tracker)
{
    if (!tracker)
        return;
    cafi_tracker_free(tracker->tracks);
    free(tracker);
}

static caface_status check_features(const caface_tracker *t, const caface_faces *faces,
                                    const float *features, caface_error *err)
{
    if (features && !t->width)
        return cafi_fail(err, CAFACE_EINVAL, "tracker_step: features for a tracker without width");
    for (size_t i = 0; features && i < faces->count; i++)
        for (size_t c = 0; c < t->width; c++)
            if (!isfinite(features[i * t->width + c]))
                return cafi_fail(err, CAFACE_EINVAL,
                                 "tracker_step: the feature of face %zu holds NaN or Inf", i);
    return CAFACE_OK;
}

caface_status caface_tracker_step(caface_tracker *t, const caface_image *image,
                                  const caface_faces *faces, const float *features, int64_t *tracks,
                                  caface_error *err)
{
    cafi_cut_histogram histogram;
    cafi_cut_detector seen;
    cafi_view view = {0};
    cafi_shot shot = CAFI_SHOT_GOES_ON;
    caface_status st = CAFACE_OK;

    if (!t || !faces || (faces->count && !tracks))
        return cafi_fail(err, CAFACE_EINVAL, "tracker_step: null argument");
    if ((st = check_features(t, faces, features, err)) ||
        (image && (st = cafi_shared_image_view(image, &view, err))))
        return st;
    seen = t->cut;
    if (image) {
        cafi_cut_measure(&histogram, &view);
        shot = cafi_cut_step(&seen, &histogram, t->threshold);
    }
    if (t->begins) {
        shot = CAFI_SHOT_BEGINS;
        seen.doubt = 0;
    }
    if ((st = cafi_tracker_step(t->tracks, faces, features, shot, tracks, err)))
        return st;
    t->cut = seen;
    t->begins = false;
    return CAFACE_OK;
}

void caface_tracker_cut(caface_tracker *tracker)
{
    if (tracker)
        tracker->begins = true;
}

size_t caface_tracker_length(const caface_tracker *tracker, int64_t track)
{
    return tracker ? cafi_tracker_length(tracker->tracks, track) : 0;
}

int caface_tracker_alive(const caface_tracker *tracker, int64_t track)
{
    return tracker && cafi_tracker_alive(tracker->tracks, track) && !tracker->begins;
}
