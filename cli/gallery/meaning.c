#include "cli/gallery/meaning.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_meaning_words(cli_meaning *out, const cli_probes *probes)
{
    caface_model_info info = {0};

    (void)caface_set_options_text(&probes->way, out->method, sizeof out->method);
    if (probes->model)
        caface_model_get_info(probes->model, &info);
    memcpy(out->model, info.hash, sizeof out->model);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static caface_status median_faces(const cli_probes *p, double *out, caface_error *err)
{
    double *faces = NULL;
    caface_status st = CAFI_NEW(&faces, p->count, err);

    for (size_t i = 0; !st && i < p->count; i++)
        faces[i] = (double)p->items[i].faces;
    if (!st && p->count)
        qsort(faces, p->count, sizeof *faces, ascending);
    *out = !st && p->count ? faces[p->count / 2] : (double)NAN;
    free(faces);
    return st;
}

/* The rates descend. */
bool cli_meaning_threshold(const caface_gallery_calibration *c, double far, double *threshold,
                           double *found)
{
    for (size_t f = CAFACE_GALLERY_FARS; f-- > 0;) {
        double low, high;

        if (caface_gallery_far(f) < far * (1.0 - 1e-9) ||
            !caface_gallery_calibration_threshold(c, f, threshold, &low, &high))
            continue;
        *found = caface_gallery_far(f);
        return true;
    }
    return false;
}

caface_status cli_meaning_find(cli_meaning *out, cli_gallery *g, const cli_probes *probes,
                               const char *kind, double far, double threshold, caface_error *err)
{
    double wanted = isnan(far) ? CLI_GALLERY_FAR : far, faces = (double)NAN;
    caface_status st = median_faces(probes, &faces, err);

    *out = (cli_meaning){.threshold = CLI_GALLERY_THRESHOLD, .far = (double)NAN};
    if (st)
        return st;
    cli_meaning_words(out, probes);
    if ((st = caface_gallery_calibration_find(&out->calibration, g->gallery, kind, out->method,
                                              out->model, faces, err)))
        return st;
    if (!out->calibration && (kind || !isnan(far)))
        return cafi_fail(err, CAFACE_EINVAL,
                         "the gallery is not calibrated for %s%s%s: `caface gallery calibrate`",
                         out->method, kind ? ", " : "", kind ? kind : "");
    if (!isnan(threshold)) {
        out->threshold = threshold;
        return CAFACE_OK;
    }
    if (!out->calibration)
        return CAFACE_OK;
    if (!cli_meaning_threshold(out->calibration, wanted, &out->threshold, &out->far))
        out->threshold = CLI_GALLERY_THRESHOLD;
    if (!isnan(far) && !(fabs(out->far / far - 1.0) < 1e-6))
        return cafi_fail(err, CAFACE_EINVAL,
                         "too few pairs were calibrated with for a false accept rate of %.0e", far);
    if (isnan(out->far) || out->far > wanted * 1.01)
        cli_warn("too few pairs were calibrated with for a false accept rate of %.0e: the "
                 "threshold is %s",
                 wanted, isnan(out->far) ? "that of docs/faces.md" : "at a larger one");
    return CAFACE_OK;
}

void cli_meaning_clear(cli_meaning *m)
{
    caface_gallery_calibration_free(m->calibration);
    m->calibration = NULL;
}

static size_t pairs_of(const cli_meaning *m)
{
    caface_gallery_calibration_info info;

    caface_gallery_calibration_get_info(m->calibration, &info);
    return info.pairs;
}

const char *cli_meaning_far(const cli_meaning *m, double score, char text[32])
{
    double far = caface_gallery_calibration_far(m->calibration, score);

    if (!m->calibration)
        snprintf(text, 32, "-");
    else if (far > 0.0)
        snprintf(text, 32, "%.1e", far);
    else
        snprintf(text, 32, "< %.1e", 1.0 / (double)pairs_of(m));
    return text;
}

void cli_meaning_json_far(const cli_meaning *m, double score, cafi_json *json)
{
    double far = caface_gallery_calibration_far(m->calibration, score);

    if (!m->calibration)
        return;
    if (far > 0.0)
        cafi_json_real(json, "far", far);
    else
        cafi_json_real(json, "far_below", 1.0 / (double)pairs_of(m));
}

bool cli_meaning_cannot_tell(const cli_meaning *m, const cli_probe *probe)
{
    caface_gallery_calibration_info info;

    if (!m->calibration || isnan(probe->evidence))
        return false;
    caface_gallery_calibration_get_info(m->calibration, &info);
    return probe->evidence < info.evidence; /* NaN: never */
}

void cli_meaning_json(const caface_gallery_calibration *c, cafi_json *json)
{
    caface_gallery_calibration_info i;

    caface_gallery_calibration_get_info(c, &i);
    cafi_json_string(json, "kind", i.kind);
    cafi_json_string(json, "method", i.method);
    cafi_json_string(json, "model", i.model);
    cafi_json_int(json, "people", (int64_t)i.people);
    cafi_json_int(json, "probes", (int64_t)i.probes);
    cafi_json_int(json, "pairs", (int64_t)i.pairs);
    cafi_json_real(json, "faces", i.faces);
    cafi_json_int(json, "found_first", (int64_t)i.found);
    cafi_json_real(json, "evidence", i.evidence);
}
