/* A face detector of any family, recognised from its file; caface/detector.h is
 * the public side. */
#ifndef CAFI_FACES_DETECTOR_H
#define CAFI_FACES_DETECTOR_H

#include "base/mem.h"
#include "base/threads.h"
#include "faces/box.h"
#include "graph/plan.h"
#include "media/view.h"

/* A picture whose longer side is beyond this is scaled down to it first. */
#define CAFI_DETECT_MAX_SIDE 2560

/* All zeros: the defaults. size is not looked at. */
typedef caface_detector_options cafi_detector_options;
typedef caface_detector cafi_detector;

/* Opens what cafi_detector_files_open (faces/detector_files.h) knows, with options.landmarks.
 * options may be NULL. EINVAL: options out of range. */
caface_status cafi_detector_open(cafi_detector **out, const char *path,
                                 const cafi_detector_options *options, caface_error *err);
/* The same, and how its plans check themselves, whatever is remembered (graph/plan.h). */
caface_status cafi_detector_open_checked(cafi_detector **out, const char *path,
                                         const cafi_detector_options *options, cafi_check check,
                                         caface_error *err);
void cafi_detector_free(cafi_detector *detector);
/* Appends the family and every option that bears on what is found, in words. */
void cafi_detector_describe(const cafi_detector *detector, cafi_buf *out);
/* "mtcnn", "retinaface", "yunet", "scrfd", "ultraface", "lffd". */
const char *cafi_detector_family(const cafi_detector *detector);

/* Calls visit for a plan of every network of the detector, ready for some picture
 * (P-Net 64x64, the others as they are cut, a network for any size 160x160);
 * name is the network's. Plans are borrowed for the call. Errors as of
 * cafi_plan_new. */
typedef void (*cafi_detector_visit)(void *ctx, const char *name, const cafi_plan *plan);
caface_status cafi_detector_plans(cafi_detector *detector, cafi_detector_visit visit, void *ctx,
                                  caface_error *err);

/* Replaces faces by those of the picture (at least 1x1), best first; boxes and
 * landmarks in its pixels. With options.rotate they are those of the direction
 * in which the faces that stand upright and are plausible (faces/pose.h) have
 * the best scores, which faces->quarters tells. threads: of this search, or CAFI_OWN_THREADS for
 * what the options say; who searches several pictures side by side says 1. Any
 * thread. The same picture gives the same bits. */
#define CAFI_OWN_THREADS SIZE_MAX
caface_status cafi_detector_run(cafi_detector *detector, const cafi_view *picture, size_t threads,
                                cafi_faces *faces, caface_error *err);
/* The same without options.rotate: for frames, whose direction is their
 * container's word. */
caface_status cafi_detector_run_upright(cafi_detector *detector, const cafi_view *picture,
                                        size_t threads, cafi_faces *faces, caface_error *err);

#endif
