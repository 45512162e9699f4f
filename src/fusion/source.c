#include "fusion/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shown.h"
#include "fusion/model.h"
#include "fusion/set.h"

void cafi_source_free(cafi_source *source)
{
    free(source->backbone);
    free(source->input);
    free(source->encoding);
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
        return cafi_fail(err, CAFACE_EMODEL, "%s: made with the %s %.100s, the set with %.100s",
                         name, what, theirs, mine);
    return text ? cafi_strdup(out, text, err) : CAFACE_OK;
}

caface_status cafi_source_join(cafi_source *out, const cafi_source *mine, cafi_origin theirs,
                               bool styles, caface_error *err)
{
    const char *name = theirs.path;
    caface_status st = CAFACE_OK;

    *out = (cafi_source){0};
    if ((st = join(&out->backbone, mine->backbone, theirs.backbone, "backbone", name, err)) ||
        (st = join(&out->input, mine->input, theirs.input, "input", name, err)) ||
        (st = cafi_encoding_join(&out->encoding, mine->encoding, theirs.encoding, styles, name,
                                 err)))
        cafi_source_free(out);
    return st;
}

caface_status cafi_source_trained_on(cafi_source *out, const cafi_value *config, caface_error *err)
{
    static const char name[] = "what it says that it was trained on";
    const cafi_source unsaid = {0};
    cafi_origin said = cafi_origin_of(name, cafi_value_get(config, CAFI_TRAINED_ON));
    caface_error why;
    caface_status st = cafi_source_join(out, &unsaid, said, true, &why);

    if (!st)
        return CAFACE_OK;
    return cafi_fail(err, st == CAFACE_EINVAL ? CAFACE_EMODEL : st, "%s", why.message);
}

caface_status cafi_model_check_source(const caface_model *model, cafi_origin features,
                                      caface_error *err)
{
    bool unknown = false;
    cafi_origin trained =
        cafi_source_origin(&model->trained_on, "what the fusion model was trained on");

    return cafi_origin_check(features, trained, true, &unknown, err);
}

cafi_origin cafi_source_origin(const cafi_source *source, const char *path)
{
    return (cafi_origin){path, source->backbone, source->input, source->encoding};
}

caface_status caface_set_add_source(caface_set *set, const char *backbone, const char *input,
                                    const char *encoding, caface_error *err)
{
    cafi_source source = {0};
    caface_status st = CAFACE_OK;

    if (!set)
        return cafi_fail(err, CAFACE_EINVAL, "set_add_source: null argument");
    if ((st = cafi_source_join(&source, &set->source,
                               (cafi_origin){"set_add_source", backbone, input, encoding},
                               set->model != NULL, err)))
        return st;
    if (set->model && (st = cafi_model_check_source(
                           set->model, cafi_source_origin(&source, "set_add_source"), err)))
        cafi_source_free(&source);
    else
        cafi_set_use_source(set, &source);
    return st;
}

void cafi_set_use_source(caface_set *set, const cafi_source *source)
{
    cafi_source_free(&set->source);
    set->source = *source;
    set->options.backbone = source->backbone;
    set->options.input = source->input;
    set->options.encoding = source->encoding;
}
