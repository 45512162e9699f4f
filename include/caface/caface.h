/* caface/caface.h - includes all public headers. What a header declares is in libcaface, unless
 * the header names libcaface-vision, libcaface-gallery or libcaface-train. */
#ifndef CAFACE_CAFACE_H
#define CAFACE_CAFACE_H

#include "caface/batch.h"
#include "caface/calibrator.h"
#include "caface/check.h"
#include "caface/convert.h"
#include "caface/detector.h"
#include "caface/encoder.h"
#include "caface/eval.h"
#include "caface/features.h"
#include "caface/file.h"
#include "caface/gallery.h"
#include "caface/image.h"
#include "caface/model.h"
#include "caface/precision.h"
#include "caface/quality.h"
#include "caface/search.h"
#include "caface/set.h"
#include "caface/status.h"
#include "caface/tracker.h"
#include "caface/train.h"
#include "caface/version.h"
#include "caface/video.h"

#endif
