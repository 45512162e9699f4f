#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "dataset/degrade.h"

static const char *const names[CAFI_DEGRADE_KINDS] = {
    [CAFI_DEGRADE_CAMERA] = "camera",       [CAFI_DEGRADE_VIDEO] = "video",
    [CAFI_DEGRADE_RESIZE] = "resize",       [CAFI_DEGRADE_NOISE] = "noise",
    [CAFI_DEGRADE_MOTION] = "motion",       [CAFI_DEGRADE_DEFOCUS] = "defocus",
    [CAFI_DEGRADE_JPEG] = "jpeg",           [CAFI_DEGRADE_DARK] = "dark",
    [CAFI_DEGRADE_INTERLACE] = "interlace", [CAFI_DEGRADE_TURBULENCE] = "turbulence",
    [CAFI_DEGRADE_OCCLUSION] = "occlusion", [CAFI_DEGRADE_MIXTURE] = "mixture",
    [CAFI_DEGRADE_AUGMENT] = "augment",
};

const char *cafi_degrade_name(cafi_degrade_kind kind)
{
    return names[kind];
}

/* One "kind" or "kind:strength" of n bytes. */
static caface_status parse_one(cafi_degradation *out, const char *text, size_t n, caface_error *err)
{
    size_t name = strcspn(text, ":,");
    char number[32] = "";
    char *end = number;
    cafi_buf list = {0};
    size_t k = 0;
    caface_status st = CAFACE_OK;

    while (k < CAFI_DEGRADE_KINDS && (strlen(names[k]) != name || memcmp(names[k], text, name)))
        k++;
    if (k == CAFI_DEGRADE_KINDS) {
        for (size_t i = 0; i < CAFI_DEGRADE_KINDS; i++)
            cafi_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        st = cafi_fail(err, CAFACE_EINVAL, "%.*s is no kind of degradation: %s", (int)name, text,
                       list.failed ? "" : list.data);
        cafi_buf_free(&list);
        return st;
    }
    *out = (cafi_degradation){(cafi_degrade_kind)k, 1};
    if (name == n)
        return CAFACE_OK;
    if (n - name - 1 < sizeof number) {
        memcpy(number, text + name + 1, n - name - 1);
        out->strength = cafi_strtod(number, &end);
    }
    if (end == number || *end || !(out->strength > 0 && out->strength <= 1))
        return cafi_fail(err, CAFACE_EINVAL, "%.*s: a strength is above 0 and at most 1", (int)n,
                         text);
    if (out->kind == CAFI_DEGRADE_AUGMENT)
        return cafi_fail(err, CAFACE_EINVAL, "%.*s: augment has no strength", (int)n, text);
    return CAFACE_OK;
}

caface_status cafi_degradations_parse(cafi_degradation **out, size_t *count, const char *text,
                                      caface_error *err)
{
    size_t capacity = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    *count = 0;
    do {
        size_t n = strcspn(text, ",");

        if (!(st = CAFI_GROW(out, &capacity, *count + 1, err)) &&
            !(st = parse_one(&(*out)[*count], text, n, err)))
            (*count)++;
        text += n;
    } while (!st && *text++ == ',');
    if (st) {
        free(*out);
        *out = NULL;
    }
    return st;
}

void cafi_degradation_print(cafi_buf *to, const cafi_degradation *what)
{
    cafi_buf_text(to, names[what->kind]);
    if (what->strength < 1)
        cafi_buf_printf(to, ":%g", what->strength);
}
