/* The rows of an evaluation's table: methods and chunk sizes by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/eval/input.h"

#define BEST "best:"

static caface_status add_recipe(eval_input *in, const cli_method *way, bool is_best,
                                caface_error *err)
{
    eval_recipe r = {.method = way->method,
                     .power = way->power,
                     .chunk = way->chunk,
                     .scored = way->scored,
                     .is_best = is_best};
    char text[CLI_METHOD_TEXT];

    snprintf(text, sizeof text, "%s", caface_method_name(way->method));
    if (eval_has_chunks(in, &r) || !caface_method_is_network(way->method))
        cli_method_text(way, text);
    snprintf(r.name, sizeof r.name, "%s%s", is_best ? BEST : "", text);
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

/* A network with every chunk size of --chunk; once, when chunks have no part in it. */
static caface_status add_network(eval_input *in, caface_method method, bool is_best,
                                 caface_error *err)
{
    const char *text = in->o->chunk ? in->o->chunk : "512";
    cli_method way = cli_method_default(method);
    caface_status st = CAFACE_OK;

    if (!cli_fusion_has_chunks(&in->fusions, method))
        return add_recipe(in, &way, is_best, err);
    in->chunk_used = true;
    for (;;) {
        size_t size = strcspn(text, ",");

        if ((st = parse_chunk(text, size, &way.chunk, err)) ||
            (st = add_recipe(in, &way, is_best, err)) || !text[size])
            return st;
        text += size + 1;
    }
}

/* Does the word compare with single pictures? *probe is how the other side is fused. */
static bool asks_for_best(const char *word, const char **probe)
{
    if (strncmp(word, BEST, strlen(BEST)) == 0) {
        *probe = word + strlen(BEST);
        return true;
    }
    *probe = strcmp(word, "best") == 0 ? "average" : word;
    return *probe != word;
}

/* One word of --method. */
static caface_status add_word(eval_input *in, const char *word, caface_error *err)
{
    const char *probe = word;
    bool is_best = asks_for_best(word, &probe);
    cli_method way;
    cli_method_said said;
    caface_status st = cli_method_parse(&way, &said, probe, err);

    if (st)
        return st;
    if (!said.power)
        way.power = in->o->norm_power;
    if (caface_method_is_network(way.method) && !said.chunk)
        return add_network(in, way.method, is_best, err);
    if (said.chunk && !cli_fusion_has_chunks(&in->fusions, way.method))
        return cafi_fail(err, CAFACE_EINVAL,
                         "method %s: %s is a sum over faces, chunks have no part in it", word,
                         in->fusions.restore_path);
    in->power_used = in->power_used || (way.method == CAFACE_METHOD_NORM && !said.power);
    return add_recipe(in, &way, is_best, err);
}

/* --gallery-method: one method, no row of the table. */
static caface_status parse_gallery_method(eval_input *in, caface_error *err)
{
    const char *word = in->o->gallery_method;
    eval_input one = {.o = in->o, .fusions = in->fusions};
    caface_status st = CAFACE_OK;

    if (!word)
        return CAFACE_OK;
    st = add_word(&one, word, err);
    if (!st && one.recipes[0].is_best)
        return cafi_fail(err, CAFACE_EINVAL,
                         "--gallery-method %s: best makes no template; as --method it is a row of "
                         "its own",
                         word);
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

bool eval_uses_network(const eval_input *in)
{
    for (size_t i = 0; i < in->recipe_count; i++)
        if (caface_method_is_network(in->recipes[i].method))
            return true;
    return in->o->gallery_method && caface_method_is_network(in->gallery.method);
}

bool eval_has_chunks(const eval_input *in, const eval_recipe *recipe)
{
    return cli_fusion_has_chunks(&in->fusions, recipe->method);
}

caface_status eval_only_plain(eval_input *in, const char *what, caface_error *err)
{
    in->called_wrongly = true;
    for (size_t i = 0; i < in->recipe_count; i++)
        if (in->recipes[i].is_best || in->recipes[i].scored)
            return cafi_fail(err, CAFACE_EINVAL, "--method %s: not for %s", in->recipes[i].name,
                             what);
    if (in->o->gallery_method && in->gallery.scored)
        return cafi_fail(err, CAFACE_EINVAL, "--gallery-method %s: not for %s",
                         in->o->gallery_method, what);
    in->called_wrongly = false;
    return CAFACE_OK;
}

void eval_write_recipe(const eval_input *in, const eval_recipe *recipe, cafi_json *json)
{
    cafi_json_string(json, "name", recipe->name);
    cafi_json_string(json, "method", caface_method_name(recipe->method));
    if (eval_has_chunks(in, recipe))
        cafi_json_int(json, "chunk", (int64_t)recipe->chunk);
    else
        cafi_json_null(json, "chunk");
    cafi_json_bool(json, "detector_score", recipe->scored);
    cafi_json_bool(json, "best_of", recipe->is_best);
    if (recipe->method == CAFACE_METHOD_NORM)
        cafi_json_real(json, "norm_power", recipe->power);
}

/* Without --method: every one that has what it needs. */
static caface_status add_all(eval_input *in, caface_error *err)
{
    static const caface_method simple[] = {CAFACE_METHOD_AVERAGE, CAFACE_METHOD_MEDIA,
                                           CAFACE_METHOD_UNIT, CAFACE_METHOD_NORM};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < sizeof simple / sizeof *simple; i++)
        st = add_recipe(in, &(cli_method){.method = simple[i], .power = in->o->norm_power}, false,
                        err);
    in->power_used = true;
    if (!st && in->fusions.caface)
        st = add_network(in, CAFACE_METHOD_CAFACE, false, err);
    if (!st && in->fusions.restore)
        st = add_network(in, CAFACE_METHOD_RESTORE, false, err);
    return st;
}

static caface_status check_has_model(const eval_input *in, caface_method method, caface_error *err)
{
    if (!caface_method_is_network(method) || cli_fusion_for(&in->fusions, method))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "the method %s needs --model M with a fusion network%s",
                     caface_method_name(method),
                     in->fusions.caface || in->fusions.restore ? " of its own" : "");
}

caface_status eval_choose_methods(eval_input *in, caface_error *err)
{
    caface_status st = in->o->method ? add_words(in, err) : add_all(in, err);

    if (!st)
        st = parse_gallery_method(in, err);
    for (size_t i = 0; !st && i < in->recipe_count; i++)
        st = check_has_model(in, in->recipes[i].method, err);
    if (!st && in->o->gallery_method)
        st = check_has_model(in, in->gallery.method, err);
    if (st)
        return st;
    if (in->o->chunk && !in->chunk_used)
        return cafi_fail(err, CAFACE_EINVAL, "--chunk %s: no method uses it; it is for caface%s",
                         in->o->chunk,
                         in->fusions.caface || in->fusions.restore
                             ? " and for restore where that is no sum"
                             : ", which needs --model M with a fusion network");
    if (in->o->norm_power != 1 && !in->power_used)
        return cafi_fail(err, CAFACE_EINVAL, "--norm-power %g: no method uses it; it is for norm",
                         in->o->norm_power);
    return CAFACE_OK;
}

/* Is the row called so: by its whole name, or in short by its method? */
static bool is_called(const eval_recipe *r, const char *name, size_t size, bool in_short)
{
    const char *own = !in_short    ? r->name
                      : r->is_best ? "best"
                      : r->scored  ? ""
                                   : caface_method_name(r->method);

    return strlen(own) == size && memcmp(own, name, size) == 0;
}

static caface_status find_recipe(const eval_input *in, const char *name, size_t size, size_t *out,
                                 caface_error *err)
{
    cafi_buf known = {0};

    for (size_t i = 0; i < 2 * in->recipe_count; i++) {
        size_t at = i % in->recipe_count;

        if (is_called(&in->recipes[at], name, size, i >= in->recipe_count)) {
            *out = at;
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

caface_status eval_find_compared(eval_input *in, size_t out[2], caface_error *err)
{
    const cli_list *compare = &in->o->compare;
    const char *a = compare->count ? compare->items[0] : "";
    size_t size = strcspn(a, ",");
    const char *b = compare->count == 2 ? compare->items[1] : a + size + 1;
    caface_status st = CAFACE_OK;

    if (!compare->count)
        return CAFACE_OK;
    st = find_recipe(in, a, compare->count == 2 ? strlen(a) : size, &out[0], err);
    if (!st)
        st = find_recipe(in, b, strlen(b), &out[1], err);
    in->called_wrongly = st != CAFACE_OK;
    return st;
}
