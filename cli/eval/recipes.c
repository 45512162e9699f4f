/* The rows of an evaluation's table: methods and chunk sizes by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/eval/input.h"

static caface_status add_recipe(eval_input *in, caface_method method, double power, size_t chunk,
                                caface_error *err)
{
    eval_recipe r = {.method = method, .power = power, .chunk = chunk};
    const char *name = caface_method_name(method);

    if (method == CAFACE_METHOD_CAFACE)
        snprintf(r.name, sizeof r.name, "%s@%zu", name, chunk);
    else if (method == CAFACE_METHOD_NORM && power != 1)
        snprintf(r.name, sizeof r.name, "%s:%g", name, power);
    else
        snprintf(r.name, sizeof r.name, "%s", name);
    for (size_t i = 0; i < in->recipe_count; i++)
        if (strcmp(in->recipes[i].name, r.name) == 0)
            return CAFACE_OK; /* asked for twice */
    if (in->recipe_count == EVAL_MAX_RECIPES)
        return cafi_fail(err, CAFACE_ELIMIT, "more than %d methods and chunk sizes",
                         EVAL_MAX_RECIPES);
    in->recipes[in->recipe_count++] = r;
    return CAFACE_OK;
}

static caface_status parse_chunk(const char *text, size_t size, size_t *out, caface_error *err)
{
    int64_t value = 0;

    if (!cafi_parse_int64(text, size, &value) || value < 0 || value > CAFACE_MAX_CHUNK)
        return cafi_fail(err, CAFACE_EINVAL, "chunk %.*s: must be a whole number from 0 to %d",
                         (int)size, text, CAFACE_MAX_CHUNK);
    *out = (size_t)value;
    return CAFACE_OK;
}

/* caface with every chunk size of --chunk. */
static caface_status add_caface(eval_input *in, caface_error *err)
{
    const char *text = in->o->chunk ? in->o->chunk : "512";
    caface_status st = CAFACE_OK;

    in->chunk_used = true;
    for (;;) {
        size_t size = strcspn(text, ",");
        size_t chunk = 0;

        if ((st = parse_chunk(text, size, &chunk, err)) ||
            (st = add_recipe(in, CAFACE_METHOD_CAFACE, 1, chunk, err)) || !text[size])
            return st;
        text += size + 1;
    }
}

/* One word of --method. */
static caface_status add_word(eval_input *in, const char *word, caface_error *err)
{
    char name[64];
    size_t size = strcspn(word, ":@");
    const char *tail = word + size;
    caface_method method = CAFACE_METHOD_CAFACE;
    double power = in->o->norm_power;
    size_t chunk = 0;
    char *end = NULL;
    caface_status st = CAFACE_OK;

    snprintf(name, sizeof name, "%.*s", (int)(size < 63 ? size : 63), word);
    if (strcmp(name, "media-average") == 0)
        name[strlen("media")] = '\0';
    if ((st = caface_method_parse(&method, name, err)))
        return st;
    if (*tail == ':' && method == CAFACE_METHOD_NORM) {
        power = strtod(tail + 1, &end);
        if (end == tail + 1 || *end || !(power >= -100 && power <= 100))
            return cafi_fail(err, CAFACE_EINVAL, "method %s: the power must lie in -100..100",
                             word);
    } else if (*tail == '@' && method == CAFACE_METHOD_CAFACE) {
        st = parse_chunk(tail + 1, strlen(tail + 1), &chunk, err);
        return st ? st : add_recipe(in, method, 1, chunk, err);
    } else if (*tail)
        return cafi_fail(err, CAFACE_EINVAL, "method %s: only norm:POWER and caface@CHUNK", word);
    else if (method == CAFACE_METHOD_NORM)
        in->power_used = true;
    return method == CAFACE_METHOD_CAFACE ? add_caface(in, err)
                                          : add_recipe(in, method, power, 0, err);
}

/* --gallery-method: one method, no row of the table. */
static caface_status parse_gallery_method(eval_input *in, caface_error *err)
{
    const char *word = in->o->gallery_method;
    eval_input one = {.o = in->o};
    caface_status st = CAFACE_OK;

    if (!word)
        return CAFACE_OK;
    st = add_word(&one, word, err);
    if (!st && one.recipe_count != 1)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "--gallery-method %s: one chunk size is needed: caface@CHUNK", word);
    in->gallery = one.recipes[0];
    in->chunk_used = in->chunk_used || one.chunk_used;
    in->power_used = in->power_used || one.power_used;
    return st;
}

static caface_status add_words(eval_input *in, caface_error *err)
{
    const char *text = in->o->method;
    caface_status st = CAFACE_OK;

    for (;;) {
        char word[64];
        size_t size = strcspn(text, ",");

        snprintf(word, sizeof word, "%.*s", (int)(size < 63 ? size : 63), text);
        if ((st = add_word(in, word, err)) || !text[size])
            return st;
        text += size + 1;
    }
}

bool eval_uses(const eval_input *in, caface_method method)
{
    for (size_t i = 0; i < in->recipe_count; i++)
        if (in->recipes[i].method == method)
            return true;
    return in->o->gallery_method && in->gallery.method == method;
}

/* Without --method: every one that has what it needs. */
static caface_status add_all(eval_input *in, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if ((st = add_recipe(in, CAFACE_METHOD_AVERAGE, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_MEDIA, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_UNIT, 1, 0, err)) ||
        (st = add_recipe(in, CAFACE_METHOD_NORM, in->o->norm_power, 0, err)))
        return st;
    in->power_used = true;
    return in->model ? add_caface(in, err) : CAFACE_OK;
}

caface_status eval_choose_methods(eval_input *in, caface_error *err)
{
    caface_status st = in->o->method ? add_words(in, err) : add_all(in, err);

    if (st || (st = parse_gallery_method(in, err)))
        return st;
    if (eval_uses(in, CAFACE_METHOD_CAFACE) && !in->model)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the method caface needs --model M with a fusion network");
    if (in->o->chunk && !in->chunk_used)
        return cafi_fail(err, CAFACE_EINVAL, "--chunk %s: no method uses it; it is for caface%s",
                         in->o->chunk,
                         in->model ? "" : ", which needs --model M with a fusion network");
    if (in->o->norm_power != 1 && !in->power_used)
        return cafi_fail(err, CAFACE_EINVAL, "--norm-power %g: no method uses it; it is for norm",
                         in->o->norm_power);
    return CAFACE_OK;
}

static caface_status find_recipe(const eval_input *in, const char *name, size_t size, size_t *out,
                                 caface_error *err)
{
    cafi_buf known = {0};

    for (size_t i = 0; i < in->recipe_count; i++) {
        const eval_recipe *r = &in->recipes[i];
        const char *method = caface_method_name(r->method);

        if ((strlen(r->name) == size && memcmp(r->name, name, size) == 0) ||
            (strlen(method) == size && memcmp(method, name, size) == 0)) {
            *out = i;
            return CAFACE_OK;
        }
    }
    for (size_t i = 0; i < in->recipe_count; i++)
        cafi_buf_printf(&known, "%s%s", i ? ", " : "", in->recipes[i].name);
    cafi_fail(err, CAFACE_EINVAL, "--compare: %.*s is no row of the table: %s", (int)size, name,
              known.failed ? "" : known.data);
    cafi_buf_free(&known);
    return CAFACE_EINVAL;
}

caface_status eval_find_compared(const eval_input *in, size_t out[2], caface_error *err)
{
    const cli_list *compare = &in->o->compare;
    const char *a = compare->count ? compare->items[0] : "";
    size_t size = strcspn(a, ",");
    const char *b = compare->count == 2 ? compare->items[1] : a + size + 1;
    caface_status st = CAFACE_OK;

    if (!compare->count)
        return CAFACE_OK;
    st = find_recipe(in, a, compare->count == 2 ? strlen(a) : size, &out[0], err);
    return st ? st : find_recipe(in, b, strlen(b), &out[1], err);
}
