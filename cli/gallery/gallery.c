#include "cli/gallery/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/feature_set.h"
#include "files/names.h"

char *cli_gallery_shown(const char *place)
{
    char *name = NULL;

    (void)caface_gallery_shown(&name, place, NULL);
    return name;
}

int cli_gallery_method_check(const char *command, const char *word, const cli_list *models)
{
    caface_error err = {CAFACE_OK, ""};
    caface_set_options way;

    if (!word)
        return CLI_OK;
    caface_set_options_init(&way);
    if (caface_set_options_parse(&way, word, &err))
        return cli_usage(command, "%s", err.message);
    if (way.method == CAFACE_METHOD_MEDIA)
        return cli_usage(command, "method media: a gallery keeps no media");
    if (caface_method_is_network(way.method) && !models->count)
        return cli_usage(command, "method %s: a fusion model is needed (--model)", word);
    return CLI_OK;
}

caface_status cli_gallery_open(cli_gallery *out, const char *path, const cli_list *models,
                               bool writable, caface_error *err)
{
    static const cli_list none = {0};
    const caface_model *model = NULL;
    caface_status st = CAFACE_OK;

    *out = (cli_gallery){.shown = cli_gallery_shown(path)};
    if (!out->shown)
        return cafi_fail_memory(err, strlen(path));
    (void)((st = caface_gallery_open(&out->gallery, path, NULL, writable, err)) ||
           (st = caface_gallery_get_info(out->gallery, &out->info, err)) ||
           (st = cli_fusions_open(&out->fusions, models ? models : &none, CLI_ANY_BACKBONE, err)));
    if (st)
        return st;
    model = cli_fusion_for(&out->fusions, out->info.method);
    if (!model)
        return CAFACE_OK;
    caface_gallery_close(out->gallery);
    out->gallery = NULL;
    st = caface_gallery_open(&out->gallery, path, model, writable, err);
    return st ? st : caface_gallery_get_info(out->gallery, &out->info, err);
}

void cli_gallery_close(cli_gallery *g)
{
    caface_gallery_close(g->gallery);
    cli_fusions_close(&g->fusions);
    free(g->shown);
    *g = (cli_gallery){0};
}

void cli_gallery_way(const caface_gallery_info *info, char text[CAFACE_METHOD_TEXT])
{
    caface_set_options way;

    caface_set_options_init(&way);
    way.method = info->method;
    way.norm_power = info->norm_power;
    way.chunk = info->chunk;
    (void)caface_set_options_text(&way, text, CAFACE_METHOD_TEXT);
}

void cli_gallery_time(int64_t seconds, char text[32])
{
    time_t when = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&when, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts))
        snprintf(text, 32, "?");
}

void cli_gallery_json_identity(cafi_json *json, const caface_gallery_info *info)
{
    char way[CAFACE_METHOD_TEXT];

    cli_gallery_way(info, way);
    cafi_json_string(json, "method", way);
    if (info->C)
        cafi_json_int(json, "C", (int64_t)info->C);
    else
        cafi_json_null(json, "C");
    cafi_json_string(json, "model", info->model);
    cafi_json_string(json, "backbone", info->backbone);
    cafi_json_string(json, "input", info->input);
    cafi_json_string(json, "encoding", info->encoding);
    cafi_json_bool(json, "keep_crops", info->keep_crops);
}

/* ---- who looks like somebody else ------------------------------------------------------ */

/* Somebody's template and number. */
typedef struct copied {
    float *tmpl;
    size_t C;
    int64_t id;
} copied;

static int copy_template(void *ctx, const caface_gallery_person *person)
{
    copied *to = ctx;

    memcpy(to->tmpl, person->tmpl, to->C * sizeof(float));
    to->id = person->id;
    return 0;
}

/* A pair is told once: by the one of the two that comes first, where both were changed. */
static bool is_told(const int64_t *ids, size_t before, int64_t other)
{
    for (size_t i = 0; i < before; i++)
        if (ids[i] == other)
            return true;
    return false;
}

static void tell_pair(cafi_json *json, const char *a, const char *b, double similarity,
                      size_t *told)
{
    if (json) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "person", a);
        cafi_json_string(json, "other", b);
        cafi_json_real(json, "similarity", similarity);
        cafi_json_end_object(json);
    } else if (*told < CLI_TOLD) {
        cli_warn("%s and %s look the same (cosine %.3f): `caface gallery merge` makes them one", a,
                 b, similarity);
    }
    ++*told;
}

caface_status cli_gallery_tell_alike(cli_gallery *g, const char *const *names, size_t n,
                                     double threshold, cafi_json *json, caface_error *err)
{
    float *templates = NULL, *similarity = NULL;
    int64_t *found = NULL, *ids = NULL;
    size_t C = 0, told = 0;
    caface_status st = caface_gallery_get_info(g->gallery, &g->info, err);

    C = g->info.C;
    (void)(st || (st = cafi_alloc_f32(&templates, n, C, err)) ||
           (st = cafi_alloc_f32(&similarity, n, 2, err)) || (st = CAFI_NEW(&found, 2 * n, err)) ||
           (st = CAFI_NEW(&ids, n, err)));
    for (size_t i = 0; !st && i < n; i++) {
        copied to = {templates + i * C, C, 0};

        st = caface_gallery_find(g->gallery, names[i], copy_template, &to, err);
        ids[i] = to.id;
    }
    if (!st && n)
        st = caface_gallery_search(g->gallery, templates, n, C, 2, found, similarity, err);
    if (json)
        cafi_json_begin_array(json, "alike");
    for (size_t i = 0; !st && i < n; i++) {
        size_t k = found[2 * i] == ids[i] ? 1 : 0;
        int64_t other = found[2 * i + k];

        if (other >= 0 && (double)similarity[2 * i + k] >= threshold && !is_told(ids, i, other))
            tell_pair(json, names[i], caface_gallery_name(g->gallery, other),
                      (double)similarity[2 * i + k], &told);
    }
    if (json)
        cafi_json_end_array(json);
    else if (told > CLI_TOLD)
        cli_warn("%zu more pairs of people look the same", told - CLI_TOLD);
    free(templates);
    free(similarity);
    free(found);
    free(ids);
    return st;
}

/* ---- rows by person ------------------------------------------------------------------------ */

static caface_status choose_column(const caface_features *set, const char *path, const char *column,
                                   int *out, caface_error *err)
{
    const char *names[] = {column ? column : "label", column ? NULL : "template"};

    *out = -1;
    for (int i = 0; i < 2 && *out < 0 && names[i]; i++)
        *out = caface_features_column(set, names[i]);
    if (*out >= 0)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL,
                     "%s: index.tsv has no column %s with the names of people; with add NAME all "
                     "faces are one person's",
                     path, column ? column : "label or template");
}

/* ids [N] of every row, -1 without a name, and the names of the ids. */
static caface_status number_names(cli_gallery_rows *r, int column, int64_t *ids, caface_error *err)
{
    cafi_names names = {0};
    size_t room = 0, count = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < r->info.n; i++) {
        const char *name = caface_features_text(r->set, column, i);
        size_t known = CAFI_NO_NAME;

        ids[i] = -1;
        if (!*name) {
            r->unnamed++;
            continue;
        }
        (void)((st = cafi_names_add(&names, name, strlen(name), count, &known, err)) ||
               (known == CAFI_NO_NAME && (st = CAFI_GROW(&r->names, &room, count + 1, err))));
        if (!st && known == CAFI_NO_NAME) {
            r->names[count] = name;
            known = count++;
        }
        ids[i] = (int64_t)known;
    }
    cafi_names_free(&names);
    if (!st && !count)
        st = cafi_fail(err, CAFACE_EINVAL, "no row has a name");
    return st;
}

static caface_status group_rows(cli_gallery_rows *r, const int64_t *ids, caface_error *err)
{
    unsigned char *named = NULL;
    caface_status st = caface_groups_new(&r->groups, ids, r->info.n, err);

    if (st || !r->unnamed)
        return st;
    if ((st = CAFI_NEW(&named, r->info.n, err)))
        return st;
    for (size_t i = 0; i < r->info.n; i++)
        named[i] = ids[i] >= 0;
    (void)caface_groups_keep(r->groups, named);
    free(named);
    return CAFACE_OK;
}

caface_status cli_gallery_rows_open(cli_gallery_rows *out, const char *path, const char *name,
                                    const char *column, caface_error *err)
{
    int64_t *ids = NULL;
    int which = -1;
    caface_status st = CAFACE_OK;

    *out = (cli_gallery_rows){.path = path};
    if ((st = cli_feature_set_open(&out->set, path, err)))
        return st;
    caface_features_get_info(out->set, &out->info);
    if (!out->info.n)
        return cafi_fail(err, CAFACE_EINVAL, "%s: there are no faces in it", path);
    if (name) {
        if ((st = CAFI_NEW(&out->names, 1, err)))
            return st;
        out->names[0] = name;
        return caface_groups_new(&out->groups, NULL, out->info.n, err);
    }
    if ((st = choose_column(out->set, path, column, &which, err)) ||
        (st = CAFI_NEW(&ids, out->info.n, err)))
        return st;
    st = number_names(out, which, ids, err);
    st = st ? cafi_prefix(err, st, path) : group_rows(out, ids, err);
    free(ids);
    return st;
}

void cli_gallery_rows_close(cli_gallery_rows *rows)
{
    caface_groups_free(rows->groups);
    caface_features_close(rows->set);
    free((void *)rows->names);
    *rows = (cli_gallery_rows){0};
}
