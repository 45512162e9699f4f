#include "fusion/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shown.h"
#include "fusion/set.h"

void cafi_source_free(cafi_source *source)
{
    free(source->backbone);
    free(source->input);
    *source = (cafi_source){0};
}

static caface_status join(char **out, const char *mine, const char *theirs, const char *what,
                          const char *name, caface_error *err)
{
    const char *text = mine ? mine : theirs;

    if (text && strlen(text) > CAFI_SOURCE_TEXT)
        return cafi_fail(err, CAFACE_EINVAL, "%s: the name of its %s has %zu bytes, at most %d",
                         name, what, strlen(text), CAFI_SOURCE_TEXT);
    if (mine && theirs && strcmp(mine, theirs) != 0)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: made with the %s %.100s, what it would join with %.100s", name, what,
                         theirs, mine);
    return text ? cafi_strdup(out, text, err) : CAFACE_OK;
}

caface_status cafi_source_join(cafi_source *out, const cafi_source *mine, const char *backbone,
                               const char *input, const char *name, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (cafi_source){0};
    if ((st = join(&out->backbone, mine->backbone, backbone, "backbone", name, err)) ||
        (st = join(&out->input, mine->input, input, "input", name, err)))
        cafi_source_free(out);
    return st;
}

void cafi_set_use_source(caface_set *set, const cafi_source *source)
{
    cafi_source_free(&set->source);
    set->source = *source;
    set->options.backbone = source->backbone;
    set->options.input = source->input;
}
