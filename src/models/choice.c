#include "models/choice.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

bool cafi_choice_is_made(const cafi_choice *c)
{
    return c->tap_count || c->styles || c->input_order || c->input_mean || c->input_scale ||
           c->weights_key;
}

static bool three_finite(const float *x)
{
    return isfinite(x[0]) && isfinite(x[1]) && isfinite(x[2]);
}

caface_status cafi_choice_check(const cafi_choice *c, const char *what, caface_error *err)
{
    if (c->tap_count > CAFI_MAX_TAPS || (c->tap_count && !c->taps))
        return cafi_fail(err, CAFACE_EINVAL, "%s: %zu taps%s, at most %d", what, c->tap_count,
                         c->taps ? "" : " without names", CAFI_MAX_TAPS);
    if (c->tap_count && c->styles)
        return cafi_fail(err, CAFACE_EINVAL, "%s: both taps and styles are chosen", what);
    if (c->styles && !cafi_styles_read(c->styles))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: styles %.40s: a list such as 3,5 of numbers from 1 to 8, each once",
                         what, c->styles);
    for (size_t t = 0; t < c->tap_count; t++)
        if (!c->taps[t])
            return cafi_fail(err, CAFACE_EINVAL, "%s: tap %zu has no name", what, t);
    if (c->input_order && strcmp(c->input_order, "rgb") != 0 && strcmp(c->input_order, "bgr") != 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: input order %s, it is rgb or bgr", what,
                         c->input_order);
    if ((c->input_mean && !three_finite(c->input_mean)) ||
        (c->input_scale && !three_finite(c->input_scale)))
        return cafi_fail(err, CAFACE_EINVAL, "%s: input mean or scale is not three finite numbers",
                         what);
    return CAFACE_OK;
}

void cafi_choice_input(const cafi_choice *c, cafi_input_convention *input)
{
    if (c->input_order)
        input->bgr = strcmp(c->input_order, "bgr") == 0;
    if (c->input_mean)
        memcpy(input->mean, c->input_mean, sizeof input->mean);
    if (c->input_scale)
        memcpy(input->scale, c->input_scale, sizeof input->scale);
}
