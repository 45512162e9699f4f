/* caface gallery import: an exported gallery into a new one, or into one that is there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/gallery/exchange.h"
#include "cli/interrupt.h"
#include "files/index.h"
#include "files/mapped.h"

typedef struct importing {
    const char *folder;
    cli_gallery g;
    bool created; /* the gallery was not there */
    size_t calibrations;
    cafi_value about; /* gallery.json */
    cafi_index *people, *pictures;
    cafi_buf path;
} importing;

static caface_status open_index(importing *m, const char *name, const char *const *columns,
                                cafi_index **out, caface_error *err)
{
    caface_status st = cli_exchange_path(&m->path, err, "%s/%s", m->folder, name);

    st = st ? st : cafi_index_open(out, m->path.data, err);
    for (int i = 0; !st && columns[i]; i++)
        if (cafi_index_column(*out, columns[i]) < 0)
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: there is no column %s", m->path.data,
                           columns[i]);
    return st;
}

static const char *field(const cafi_index *index, const char *column, size_t row)
{
    return cafi_index_text(index, (size_t)cafi_index_column(index, column), row);
}

static caface_status open_folder(importing *m, caface_error *err)
{
    static const char *const of_people[] = {"name", "state", NULL};
    static const char *const of_pictures[] = {"person", "name",  "digest", "length", "likeness",
                                              "side",   "score", "added",  "crop",   NULL};
    cafi_mapped map = {0};
    int64_t version = 0;
    caface_status st = cli_exchange_path(&m->path, err, "%s/gallery.json", m->folder);

    if (st)
        return st;
    if ((st = cafi_mapped_open(&map, m->path.data, err)))
        return cafi_prefix(err, st, m->path.data);
    st = cafi_json_parse(&m->about, (const char *)map.data, map.size, err);
    cafi_mapped_close(&map);
    if (st)
        return cafi_prefix(err, st, m->path.data);
    if (!cafi_value_int(&m->about, "version", &version) || version != 1 ||
        !cafi_value_text(&m->about, "method"))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no exported gallery of version 1", m->path.data);
    (void)((st = open_index(m, "people.tsv", of_people, &m->people, err)) ||
           (st = open_index(m, "pictures.tsv", of_pictures, &m->pictures, err)));
    return st;
}

/* A gallery that is not there yet is made as the exported one was. */
static caface_status create_as(const importing *m, const char *path, const cli_fusions *fusions,
                               caface_error *err)
{
    const char *method = cafi_value_text(&m->about, "method");
    const cafi_value *keep = cafi_value_get(&m->about, "keep_crops");
    caface_set_options set;
    caface_gallery_options how;
    caface_gallery *gallery = NULL;
    const caface_model *model = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&set);
    if ((st = caface_set_options_parse(&set, method, err)))
        return cafi_prefix(err, st, m->folder);
    model = cli_fusion_for(fusions, set.method);
    if (!model && caface_method_is_network(set.method))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: its templates are by %s, whose model is needed "
                         "(--model)",
                         m->folder, method);
    caface_gallery_options_init(&how);
    how.set = &set;
    how.keep_crops = keep && keep->kind == CAFI_BOOL && keep->u.boolean;
    how.backbone = cafi_value_text(&m->about, "backbone");
    how.input = cafi_value_text(&m->about, "input");
    how.encoding = cafi_value_text(&m->about, "encoding");
    st = caface_gallery_create(&gallery, path, model, &how, err);
    caface_gallery_close(gallery);
    return st;
}

/* A path inside the folder: no other can be named. */
static caface_status inner_path(importing *m, const char *name, const char *folder,
                                caface_error *err)
{
    size_t n = strlen(folder);

    if (strncmp(name, folder, n) != 0 || strchr(name + n, '/') || name[n] == '.')
        return cafi_fail(err, CAFACE_EFORMAT, "%s: %s leads out of the folder", m->folder, name);
    return cli_exchange_path(&m->path, err, "%s/%s", m->folder, name);
}

static caface_status import_person(importing *m, size_t row, caface_error *err)
{
    const caface_model *model = cli_fusion_for(&m->g.fusions, m->g.info.method);
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    (void)((st = inner_path(m, field(m->people, "state", row), "states/", err)) ||
           (st = caface_set_load(&set, model, m->path.data, err)) ||
           (st = caface_gallery_add_set(m->g.gallery, field(m->people, "name", row), set, err)));
    caface_set_free(set);
    return st;
}

static bool read_digest(const char *text, unsigned char *out)
{
    if (strlen(text) != 2 * CAFACE_GALLERY_DIGEST ||
        strspn(text, "0123456789abcdef") != 2 * CAFACE_GALLERY_DIGEST)
        return false;
    for (int i = 0; i < CAFACE_GALLERY_DIGEST; i++) {
        unsigned value = 0;

        if (sscanf(text + 2 * i, "%2x", &value) != 1)
            return false;
        out[i] = (unsigned char)value;
    }
    return true;
}

static double number(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);

    return *text && !*end ? value : (double)NAN;
}

static caface_status import_picture(importing *m, size_t row, caface_error *err)
{
    const cafi_index *t = m->pictures;
    const char *crop = field(t, "crop", row), *added = field(t, "added", row);
    unsigned char digest[CAFACE_GALLERY_DIGEST];
    caface_gallery_picture p = {.person = field(t, "person", row),
                                .name = field(t, "name", row),
                                .digest = digest,
                                .length = number(field(t, "length", row)),
                                .likeness = number(field(t, "likeness", row)),
                                .side = number(field(t, "side", row)),
                                .score = number(field(t, "score", row))};
    cafi_mapped map = {0};
    caface_status st = CAFACE_OK;

    if (!read_digest(field(t, "digest", row), digest) ||
        !cafi_parse_int64(added, strlen(added), &p.added))
        return cafi_fail(err, CAFACE_EFORMAT, "%s/pictures.tsv: line %zu: no digest, or no time",
                         m->folder, row + 2);
    if (*crop) {
        if ((st = inner_path(m, crop, "crops/", err)))
            return st;
        if ((st = cafi_mapped_open(&map, m->path.data, err)))
            return cafi_prefix(err, st, m->path.data);
        p.crop = map.data;
        p.crop_size = map.size;
    }
    st = caface_gallery_list_picture(m->g.gallery, &p, err);
    if (*crop)
        cafi_mapped_close(&map);
    return st;
}

typedef struct knowing {
    const char *kind, *method;
    bool found;
} knowing;

static int is_known(void *ctx, const caface_gallery_calibration *c)
{
    knowing *k = ctx;
    caface_gallery_calibration_info info;

    caface_gallery_calibration_get_info(c, &info);
    k->found = strcmp(info.kind, k->kind) == 0 && strcmp(info.method, k->method) == 0;
    return !k->found;
}

/* A calibration that the gallery has itself is of its own people, and stays. */
static caface_status import_calibration(importing *m, size_t number, caface_error *err)
{
    caface_gallery_calibration *c = NULL;
    caface_gallery_calibration_info info;
    knowing known = {0};
    caface_status st =
        cli_exchange_path(&m->path, err, "%s/calibrations/%zu.json", m->folder, number);

    if (st || (st = caface_gallery_calibration_load(&c, m->path.data, err)))
        return st;
    caface_gallery_calibration_get_info(c, &info);
    known.kind = info.kind;
    known.method = info.method;
    st = caface_gallery_calibrations(m->g.gallery, is_known, &known, err);
    if (!st && !known.found)
        st = caface_gallery_keep_calibration(m->g.gallery, c, err);
    m->calibrations += !st && !known.found;
    caface_gallery_calibration_free(c);
    return st;
}

static caface_status check_method(const importing *m, caface_error *err)
{
    const char *theirs = cafi_value_text(&m->about, "method");
    char mine[CAFACE_METHOD_TEXT];

    cli_gallery_way(&m->g.info, mine);
    if (strcmp(mine, theirs) == 0)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "%s: its templates are by %s, those of the gallery by %s",
                     m->folder, theirs, mine);
}

/* Of a database nobody can tell without opening the gallery in it. */
static bool is_there(const char *path)
{
    caface_gallery *gallery = NULL;
    struct stat info;

    if (!caface_gallery_is_address(path))
        return stat(path, &info) == 0;
    (void)caface_gallery_open(&gallery, path, NULL, 0, NULL);
    caface_gallery_close(gallery);
    return gallery != NULL;
}

static caface_status import_all(importing *m, const cli_exchange_options *o, caface_error *err)
{
    const char *path = o->common.args.items[0];
    cli_fusions fusions = {0};
    int64_t calibrations = 0; /* folders of before 0.2 do not tell */
    caface_status st = CAFACE_OK;

    if ((st = open_folder(m, err)))
        return st;
    if (!is_there(path)) {
        st = cli_fusions_open(&fusions, &o->models, CLI_ANY_BACKBONE, err);
        st = st ? st : create_as(m, path, &fusions, err);
        m->created = !st;
        cli_fusions_close(&fusions);
    }
    (void)(st || (st = cli_gallery_open(&m->g, path, &o->models, true, err)) ||
           (st = check_method(m, err)) || (st = caface_gallery_begin(m->g.gallery, err)));
    for (size_t i = 0; !st && i < cafi_index_rows(m->people); i++)
        (void)((st = cli_exchange_go_on(err)) || (st = import_person(m, i, err)));
    for (size_t i = 0; !st && i < cafi_index_rows(m->pictures); i++)
        (void)((st = cli_exchange_go_on(err)) || (st = import_picture(m, i, err)));
    (void)cafi_value_int(&m->about, "calibrations", &calibrations);
    for (int64_t i = 1; !st && i <= calibrations; i++)
        st = import_calibration(m, (size_t)i, err);
    return st ? st : caface_gallery_commit(m->g.gallery, err);
}

static int run_import(void *arg)
{
    const cli_exchange_options *o = arg;
    importing m = {.folder = o->common.args.items[1]};
    caface_error err = {CAFACE_OK, ""};
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    size_t people = 0, pictures = 0;
    bool failed = false;
    int status = CLI_OK;

    cli_interrupt_begin();
    failed = import_all(&m, o, &err) != CAFACE_OK;
    if (failed) {
        status = cli_fail(&err);
    } else {
        people = cafi_index_rows(m.people);
        pictures = cafi_index_rows(m.pictures);
    }
    if (!status && o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "people", (int64_t)people);
        cafi_json_int(&json, "pictures", (int64_t)pictures);
        cafi_json_int(&json, "calibrations", (int64_t)m.calibrations);
        cafi_json_end_object(&json);
        status = cli_print(&text);
    } else if (!status && !o->common.quiet) {
        cli_say(stdout, "%zu %s, %zu picture%s, %zu calibration%s from %s\n", people,
                cafi_people(people), pictures, cafi_plural(pictures), m.calibrations,
                cafi_plural(m.calibrations), m.folder);
    }
    cli_gallery_close(&m.g);
    if (m.created && failed && !caface_gallery_is_address(o->common.args.items[0]))
        unlink(o->common.args.items[0]); /* nothing is in it */
    cafi_value_clear(&m.about);
    cafi_index_free(m.people);
    cafi_index_free(m.pictures);
    cafi_buf_free(&m.path);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {CLI_EXCHANGE_MODEL, {0}};

const cli_command cli_gallery_import = {
    .name = "gallery import",
    .summary = "an exported gallery into a new one, or into one that is there",
    .synopsis = "DB DIR [--model F]",
    .text = "Adds the people of an exported folder, in one transaction. A gallery that does\n"
            "not exist is created like the exported one. The sets of people with the same\n"
            "name are merged; if such a person has one of the pictures already, the import\n"
            "is refused, because this face would count twice. Calibrations are imported,\n"
            "except those that the gallery has already.",
    .example = "  caface gallery import copy.gallery people/ --model fusion.safetensors",
    .options = options,
    .options_size = sizeof(cli_exchange_options),
    .min_args = 2,
    .max_args = 2,
    .lacks = CLI_NO_THREADS,
    .run = run_import,
};
