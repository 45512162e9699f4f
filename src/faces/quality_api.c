/* The public side of a face's quality (caface/quality.h). */
#include "caface/quality.h"

#include <math.h>

#include "base/sized.h"
#include "base/threads.h"
#include "faces/pose.h"
#include "faces/quality.h"
#include "faces/quality_net.h"

static void measure_landmarks(caface_quality *q, const caface_point *landmark)
{
    cafi_pose pose;

    q->is_plausible = cafi_landmarks_are_plausible(landmark);
    if (!cafi_pose_of(&pose, landmark))
        return;
    q->yaw = (float)pose.yaw;
    q->pitch = (float)pose.pitch;
    q->roll = (float)pose.roll;
}

caface_status caface_quality_of_sized(const caface_box *box, const caface_point *landmark,
                                      const uint8_t *crop, caface_quality *quality, size_t size,
                                      caface_error *err)
{
    caface_quality own = {NAN, NAN, NAN, NAN, NAN, 0};

    if (!quality)
        return cafi_fail(err, CAFACE_EINVAL, "quality_of: null argument");
    if (box && !(isfinite(box->x1) && isfinite(box->y1) && isfinite(box->x2) && isfinite(box->y2)))
        return cafi_fail(err, CAFACE_EINVAL, "quality_of: the box is not finite");
    if (box)
        own.size = (float)sqrt(cafi_box_area(box, 0.0));
    if (landmark)
        measure_landmarks(&own, landmark);
    if (crop)
        own.sharpness = cafi_quality_sharpness(crop);
    cafi_sized_out(quality, size, &own, sizeof own);
    return CAFACE_OK;
}

caface_status caface_quality_network_open(caface_encoder **out, const char *path, size_t threads,
                                          caface_error *err)
{
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "quality_network_open: null argument");
    *out = NULL;
    if (threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "quality_network_open: %zu threads, at most %d",
                         threads, CAFI_MAX_THREADS);
    return cafi_quality_net_open(out, path, threads, err);
}
