#include "cli/check/report.h"

#include <math.h>
#include <stdio.h>

#include "cli/command.h"

/* All steps of all networks together. */
typedef struct total {
    size_t steps, mended;
    double worst;  /* error */
    double cosine; /* the least; NaN: none was taken */
} total;

static total add_up(const caface_check *check)
{
    total t = {.cosine = (double)NAN};
    caface_check_network n;
    caface_check_step s;

    for (size_t i = 0; caface_check_get_network(check, i, &n); i++) {
        t.steps += n.steps;
        t.cosine = fmin(t.cosine, n.cosine); /* of a number and NaN it is the number */
        for (size_t k = 0; caface_check_get_step(check, i, k, &s); k++) {
            t.worst = fmax(t.worst, s.error);
            t.mended += s.mended != 0;
        }
    }
    return t;
}

void check_report_print(const caface_check *check, const char *model)
{
    caface_check_info info;
    caface_check_network n;
    total t = add_up(check);

    caface_check_get_info(check, &info);
    cli_say(stdout, "%s: right (%s: ", model, info.family);
    for (size_t i = 0; caface_check_get_network(check, i, &n); i++)
        printf("%s%s", i ? ", " : "", n.name);
    printf("; %zu steps, largest error %.0f %% of what rounding explains", t.steps, 100 * t.worst);
    if (!isnan(t.cosine))
        printf(", least cosine to the plain definition %.6f", t.cosine);
    if (t.mended)
        printf("; %zu steps not by oneDNN's first choice, which is wrong here", t.mended);
    cli_say(stdout, "%s%s; %s, oneDNN %s %s)\n", *info.notes ? "; " : "", info.notes,
            info.processor, info.onednn, info.onednn_isa);
}

static void json_network(cafi_json *json, const caface_check *check, size_t index)
{
    caface_check_network n;
    caface_check_step s;

    if (!caface_check_get_network(check, index, &n))
        return;
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "network", n.name);
    cafi_json_string(json, "precision", caface_precision_name(n.precision));
    cafi_json_int(json, "batch", (int64_t)n.batch);
    if (!isnan(n.cosine))
        cafi_json_real(json, "cosine", n.cosine);
    cafi_json_begin_array(json, "layers");
    for (size_t k = 0; caface_check_get_step(check, index, k, &s); k++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "node", s.node);
        cafi_json_string(json, "step", s.kind);
        cafi_json_string(json, "implementation", s.implementation);
        cafi_json_real(json, "error", s.error);
        cafi_json_bool(json, "mended", s.mended);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

void check_report_json(cafi_json *json, const caface_check *check, const char *model)
{
    caface_check_info info;

    caface_check_get_info(check, &info);
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "model", model);
    cafi_json_string(json, "family", info.family);
    cafi_json_string(json, "verdict", "right");
    cafi_json_string(json, "processor", info.processor);
    cafi_json_string(json, "isa", info.isa);
    cafi_json_string(json, "onednn", info.onednn);
    cafi_json_string(json, "onednn_isa", info.onednn_isa);
    if (*info.notes)
        cafi_json_string(json, "notes", info.notes);
    cafi_json_begin_array(json, "networks");
    for (size_t i = 0; i < info.networks; i++)
        json_network(json, check, i);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}
