/* The public side of calibration for int8 (caface/calibrator.h). */
#include "caface/calibrator.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"
#include "base/threads.h"
#include "models/calibration.h"

struct caface_calibrator {
    cafi_network network;
    cafi_calibration *run;
    cafi_ranges *ranges;
    size_t crops;
};

void caface_calibrator_options_init_sized(caface_calibrator_options *options, size_t size)
{
    const caface_calibrator_options defaults = {.size = size};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

static caface_status take_options(caface_calibrator_options *out,
                                  const caface_calibrator_options *given, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (caface_calibrator_options){.size = sizeof *out};
    if (given)
        st = cafi_sized_in(out, sizeof *out, given, given->size,
                           offsetof(caface_calibrator_options, threads), "calibrator_open", err);
    if (!st && out->threads > CAFI_MAX_THREADS)
        st = cafi_fail(err, CAFACE_EINVAL, "calibrator_open: %zu threads, at most %d", out->threads,
                       CAFI_MAX_THREADS);
    return st;
}

caface_status caface_calibrator_open(caface_calibrator **out, const char *path,
                                     const caface_calibrator_options *options, caface_error *err)
{
    caface_calibrator_options o;
    caface_calibrator *c = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "calibrator_open: null argument");
    *out = NULL;
    if ((st = take_options(&o, options, err)) || (st = CAFI_NEW(&c, 1, err)))
        return st;
    if ((st = cafi_network_open_at(&c->network, path, o.weights_key, err)) ||
        (st = cafi_ranges_new(&c->ranges, err)) ||
        (st = cafi_calibration_new(&c->run, &c->network, o.threads, err))) {
        caface_calibrator_free(c);
        return st;
    }
    *out = c;
    return CAFACE_OK;
}

void caface_calibrator_free(caface_calibrator *c)
{
    if (!c)
        return;
    cafi_calibration_free(c->run);
    cafi_ranges_free(c->ranges);
    cafi_network_clear(&c->network);
    free(c);
}

void caface_calibrator_get_info_sized(const caface_calibrator *c, caface_calibrator_info *info,
                                      size_t size)
{
    const caface_calibrator_info own = {
        .height = c->network.input.height, .width = c->network.input.width, .crops = c->crops};

    cafi_sized_out(info, size, &own, sizeof own);
}

caface_status caface_calibrator_add(caface_calibrator *c, const uint8_t *crops, size_t n,
                                    caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!c || (n && !crops))
        return cafi_fail(err, CAFACE_EINVAL, "calibrator_add: null argument");
    st = cafi_calibration_add(c->run, crops, n, c->ranges, err);
    if (!st)
        c->crops += n;
    return st;
}

caface_status caface_calibrator_save(const caface_calibrator *c, const char *path,
                                     caface_error *err)
{
    if (!c || !path)
        return cafi_fail(err, CAFACE_EINVAL, "calibrator_save: null argument");
    if (!c->crops)
        return cafi_fail(err, CAFACE_EINVAL, "calibrator_save: no crops were added");
    return cafi_calibration_save(path, &c->network, c->ranges, err);
}
