/* caface gallery export: a gallery as a folder of plain files. */
#include <errno.h>
#include <inttypes.h>
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
#include "files/npy.h"
#include "files/output.h"

typedef struct exporting {
    const char *folder;
    cli_gallery g;
    cafi_buf people, pictures;
    cafi_npy_writer *templates;
    char **names;
    size_t count, room, crops, calibrations;
    bool made; /* the folder */
    caface_status st;
    caface_error *err;
} exporting;

caface_status cli_exchange_path(cafi_buf *out, caface_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    out->size = 0;
    cafi_buf_vprintf(out, format, args);
    va_end(args);
    return out->failed ? cafi_fail_memory(err, out->size) : CAFACE_OK;
}

caface_status cli_exchange_go_on(caface_error *err)
{
    return cli_interrupted()
               ? cafi_fail(err, CAFACE_ECANCELLED, "interrupted; nothing is left of it")
               : CAFACE_OK;
}

static caface_status save(const exporting *e, const char *name, const void *bytes, size_t size,
                          caface_error *err)
{
    cafi_buf path = {0};
    caface_status st = cli_exchange_path(&path, err, "%s/%s", e->folder, name);

    st = st ? st : cafi_output_save_of_many(path.data, bytes, size, err);
    cafi_buf_free(&path);
    return st;
}

static int export_person(void *ctx, const caface_gallery_person *p)
{
    exporting *e = ctx;

    cafi_index_escape(&e->people, p->name);
    cafi_buf_printf(&e->people, "\t%zu\t%" PRId64 "\t%" PRId64 "\tstates/%zu.state\n", p->faces,
                    p->created, p->changed, e->count + 1);
    (void)((e->st = cli_exchange_go_on(e->err)) ||
           (e->st = CAFI_GROW(&e->names, &e->room, e->count + 1, e->err)) ||
           (e->st = cafi_strdup(&e->names[e->count], p->name, e->err)) ||
           (e->st = cafi_npy_append(e->templates, p->tmpl, 1, e->err)));
    e->count += !e->st;
    return !e->st;
}

static void add_number(cafi_buf *out, double value)
{
    if (isnan(value))
        cafi_buf_text(out, "\t");
    else
        cafi_buf_printf(out, "\t%.17g", value);
}

static int export_picture(void *ctx, const caface_gallery_picture *p)
{
    exporting *e = ctx;
    char name[64] = "";

    if ((e->st = cli_exchange_go_on(e->err)))
        return 0;
    cafi_index_escape(&e->pictures, p->person);
    cafi_buf_text(&e->pictures, "\t");
    cafi_index_escape(&e->pictures, p->name);
    cafi_buf_text(&e->pictures, "\t");
    for (int i = 0; i < CAFACE_GALLERY_DIGEST; i++)
        cafi_buf_printf(&e->pictures, "%02x", p->digest[i]);
    add_number(&e->pictures, p->length);
    add_number(&e->pictures, p->likeness);
    add_number(&e->pictures, p->side);
    add_number(&e->pictures, p->score);
    if (p->crop) {
        snprintf(name, sizeof name, "crops/%zu.png", ++e->crops);
        e->st = save(e, name, p->crop, p->crop_size, e->err);
    }
    cafi_buf_printf(&e->pictures, "\t%" PRId64 "\t%s\n", p->added, name);
    return !e->st;
}

static caface_status export_states(exporting *e, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < e->count; i++) {
        caface_set *set = NULL;
        cafi_buf path = {0};

        (void)((st = cli_exchange_go_on(err)) ||
               (st = cli_exchange_path(&path, err, "%s/states/%zu.state", e->folder, i + 1)) ||
               (st = caface_gallery_set(e->g.gallery, e->names[i], &set, err)) ||
               (st = caface_set_save(set, path.data, err)));
        caface_set_free(set);
        cafi_buf_free(&path);
    }
    return st;
}

static int export_calibration(void *ctx, const caface_gallery_calibration *c)
{
    exporting *e = ctx;
    cafi_buf path = {0};

    e->st =
        cli_exchange_path(&path, e->err, "%s/calibrations/%zu.json", e->folder, ++e->calibrations);
    e->st = e->st ? e->st : caface_gallery_calibration_save(c, path.data, e->err);
    cafi_buf_free(&path);
    return !e->st;
}

static caface_status export_identity(const exporting *e, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "version", 1);
    cafi_json_int(&json, "people", (int64_t)e->count);
    cafi_json_int(&json, "calibrations", (int64_t)e->calibrations);
    cli_gallery_json_identity(&json, &e->g.info);
    cafi_json_end_object(&json);
    cafi_buf_text(&text, "\n");
    st = text.failed ? cafi_fail_memory(err, text.size)
                     : save(e, "gallery.json", text.data, text.size, err);
    cafi_buf_free(&text);
    return st ? st : cafi_output_sync(e->folder, err);
}

/* Takes away what was written, all of whose names are known: a folder that is not whole is of no
 * use. */
static void remove_all(const exporting *e)
{
    static const char *const files[] = {"templates.npy", "people.tsv", "pictures.tsv",
                                        "gallery.json"};
    const struct {
        const char *folder, *end;
        size_t count;
    } numbered[] = {{"states", "state", e->count},
                    {"crops", "png", e->crops},
                    {"calibrations", "json", e->calibrations}};
    cafi_buf path = {0};

    for (size_t k = 0; k < sizeof numbered / sizeof *numbered; k++) {
        for (size_t i = 1; i <= numbered[k].count; i++)
            if (!cli_exchange_path(&path, NULL, "%s/%s/%zu.%s", e->folder, numbered[k].folder, i,
                                   numbered[k].end))
                unlink(path.data);
        if (!cli_exchange_path(&path, NULL, "%s/%s", e->folder, numbered[k].folder))
            rmdir(path.data);
    }
    for (size_t k = 0; k < sizeof files / sizeof *files; k++)
        if (!cli_exchange_path(&path, NULL, "%s/%s", e->folder, files[k]))
            unlink(path.data);
    cafi_buf_free(&path);
    rmdir(e->folder);
}

static caface_status make_folders(exporting *e, caface_error *err)
{
    static const char *const inside[] = {"states", "crops", "calibrations"};
    cafi_buf path = {0};
    bool made = false;
    caface_status st = CAFACE_OK;

    if (mkdir(e->folder, 0777) != 0)
        return cafi_fail(err, CAFACE_EIO, "%s: %s", e->folder, strerror(errno));
    e->made = true;
    for (int i = 0; !st && i < 3; i++) {
        st = cli_exchange_path(&path, err, "%s/%s", e->folder, inside[i]);
        st = st ? st : cafi_output_folder(path.data, &made, err);
    }
    cafi_buf_free(&path);
    return st;
}

static caface_status export_all(exporting *e, caface_error *err)
{
    const size_t C = e->g.info.C;
    cafi_buf path = {0};
    caface_status st = CAFACE_OK;

    e->err = err;
    cafi_buf_text(&e->people, "name\tfaces\tcreated\tchanged\tstate\n");
    cafi_buf_text(&e->pictures,
                  "person\tname\tdigest\tlength\tlikeness\tside\tscore\tadded\tcrop\n");
    (void)((st = make_folders(e, err)) ||
           (st = cli_exchange_path(&path, err, "%s/templates.npy", e->folder)) ||
           (st = cafi_npy_begin(&e->templates, path.data, CAFI_F32, 1, &C, err)) ||
           (st = caface_gallery_begin(e->g.gallery, err)) || /* one state of things */
           (st = caface_gallery_people(e->g.gallery, export_person, e, err)) || (st = e->st) ||
           (st = caface_gallery_pictures(e->g.gallery, NULL, 1, export_picture, e, err)) ||
           (st = e->st) || (st = export_states(e, err)) ||
           (st = caface_gallery_calibrations(e->g.gallery, export_calibration, e, err)) ||
           (st = e->st));
    cafi_buf_free(&path);
    if (!st && (e->people.failed || e->pictures.failed))
        st = cafi_fail_memory(err, e->pictures.size);
    if (!st) {
        st = cafi_npy_commit(e->templates, err);
        e->templates = NULL;
    }
    (void)(st || (st = save(e, "people.tsv", e->people.data, e->people.size, err)) ||
           (st = save(e, "pictures.tsv", e->pictures.data, e->pictures.size, err)) ||
           (st = export_identity(e, err)));
    return st;
}

static int run_export(void *arg)
{
    const cli_exchange_options *o = arg;
    const cli_list *args = &o->common.args;
    exporting e = {.folder = args->items[1]};
    caface_error err = {CAFACE_OK, ""};
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    int status = CLI_OK;
    caface_status st = CAFACE_OK;

    cli_interrupt_begin();
    st = cli_gallery_open(&e.g, args->items[0], &o->models, false, &err);

    if (!st && !e.g.info.people)
        st = cafi_fail(&err, CAFACE_EINVAL, "%s: nobody is in it", e.g.shown);
    st = st ? st : export_all(&e, &err);
    if (st) {
        status = cli_fail(&err);
    } else if (o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "people", (int64_t)e.count);
        cafi_json_int(&json, "crops", (int64_t)e.crops);
        cafi_json_end_object(&json);
        status = cli_print(&text);
    } else if (!o->common.quiet) {
        cli_say(stdout, "%zu %s, %zu crop%s in %s\n", e.count, cafi_people(e.count), e.crops,
                cafi_plural(e.crops), e.folder);
    }
    cafi_npy_abort(e.templates);
    if (st && e.made)
        remove_all(&e);
    cli_gallery_close(&e.g);
    for (size_t i = 0; i < e.count; i++)
        free(e.names[i]);
    free(e.names);
    cafi_buf_free(&e.people);
    cafi_buf_free(&e.pictures);
    cli_interrupt_end();
    return status;
}

static const cli_option options[] = {CLI_EXCHANGE_MODEL, {0}};

const cli_command cli_gallery_export = {
    .name = "gallery export",
    .summary = "a gallery as a folder of plain files",
    .synopsis = "DB DIR [--model F]",
    .text = "Writes people.tsv, pictures.tsv, templates.npy (a row for each person), the\n"
            "saved sets in states/, which `caface fuse --merge` can read too, the kept\n"
            "crops in crops/, and the calibrations in calibrations/. DIR must not exist,\n"
            "and does not exist after an error. gallery.json is written last: a folder\n"
            "without it, left by a killed program, is not complete.",
    .example = "  caface gallery export people.gallery people/ --model fusion.safetensors",
    .options = options,
    .options_size = sizeof(cli_exchange_options),
    .min_args = 2,
    .max_args = 2,
    .lacks = CLI_NO_THREADS,
    .run = run_export,
};
