/* caface prepare extract and pack: record sets of pictures to folders and back.
 * The pictures' own bytes are copied, so nothing is decoded and no colour can
 * change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "cli/command.h"
#include "dataset/face_list.h"
#include "files/json.h"
#include "files/names.h"
#include "files/output.h"
#include "files/recordio.h"
#include "files/tree.h"
#include "cli/interrupt.h"
#include "cli/prepare/work.h"
#include "cli/progress.h"

typedef struct records_options {
    cli_common common;
    const char *output;
} records_options;

static const cli_option extract_options[] = {
    {"output", 'o', CLI_STRING, offsetof(records_options, output), "DIR", "the folder to write", 0,
     0},
    {0},
};

static const cli_option pack_options[] = {
    {"output", 'o', CLI_STRING, offsetof(records_options, output), "PREFIX",
     "PREFIX.rec, PREFIX.idx and PREFIX.lst are written", 0, 0},
    {0},
};

static bool is_picture(const unsigned char *bytes, size_t size)
{
    return cafi_image_kind(bytes, size) != NULL;
}

/* One record set on its way to a folder. */
typedef struct extraction {
    const char *folder;
    cafi_names seen; /* files that were written */
    cafi_buf buf;
} extraction;

static caface_status extract_one(extraction *e, const cafi_face_list *faces, size_t i,
                                 caface_error *err)
{
    const char *name = cafi_face_list_name(faces, i);
    const void *bytes = NULL;
    size_t size = 0;
    size_t existing = 0;
    caface_status st = cafi_face_list_bytes(faces, i, &e->buf, &bytes, &size, err);

    if (st)
        return st;
    if (!cafi_tree_is_safe(name))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: a name that leads elsewhere", name);
    if (!is_picture(bytes, size))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: the record holds no JPEG or PNG", name);
    if ((st = cafi_names_add(&e->seen, name, strlen(name), i, &existing, err)))
        return st;
    if (existing != CAFI_NO_NAME)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: two records have this name; the first is kept",
                         name);
    return cafi_tree_save(e->folder, name, bytes, size, err);
}

static int print_result(const records_options *o, size_t done, size_t failed, size_t classes)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (o->common.json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "output", o->output);
        cafi_json_int(&json, "images", (int64_t)done);
        cafi_json_int(&json, "failed", (int64_t)failed);
        cafi_json_int(&json, "classes", (int64_t)classes);
        cafi_json_end_object(&json);
        return cli_print(&text);
    }
    if (!o->common.quiet)
        cli_say(stdout, "%s: %zu picture%s of %zu class%s, %zu failed\n", o->output, done,
                cafi_plural(done), classes, classes == 1 ? "" : "es", failed);
    return CLI_OK;
}

static int extract(void *arg)
{
    const records_options *o = arg;
    cafi_face_list *faces = NULL;
    cli_progress progress = {0};
    extraction e = {.folder = o->output};
    size_t failed = 0;
    size_t done = 0;
    int status = CLI_OK;
    caface_error err;
    caface_status st;

    if (!o->output)
        return cli_usage("prepare extract", "-o DIR is needed");
    cli_interrupt_begin();
    st = cafi_face_list_open(&faces, o->common.args.items[0], &err);
    cli_progress_begin(&progress, "pictures", st ? 0 : cafi_face_list_count(faces),
                       o->common.quiet || st);
    for (size_t i = 0; !st && i < cafi_face_list_count(faces) && !cli_interrupted(); i++) {
        st = extract_one(&e, faces, i, &err);
        if (st == CAFACE_EFORMAT) {
            cli_warn("%s", err.message);
            failed++;
            st = CAFACE_OK;
        } else if (!st) {
            done++;
        }
        cli_progress_update(&progress, i + 1);
    }
    cli_progress_end(&progress);
    if (!st && done)
        st = cafi_output_sync(o->output, &err);
    if (!st)
        status = print_result(o, done, failed, cafi_face_list_classes(faces));
    if (!st)
        failed += prepare_left_out(faces);
    if (st)
        status = cli_fail(&err);
    else if (cli_interrupted())
        cli_warn("stopped after %zu of %zu pictures", done + failed, cafi_face_list_count(faces));
    cafi_face_list_close(faces);
    cafi_names_free(&e.seen);
    cafi_buf_free(&e.buf);
    cli_interrupt_end();
    return !status && failed ? CLI_SKIPPED : status;
}

static caface_status pack_all(const cafi_face_list *faces, cafi_record_writer *writer,
                              cli_progress *progress, caface_error *err)
{
    cafi_buf buf = {0};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < cafi_face_list_count(faces) && !st; i++) {
        const void *bytes = NULL;
        size_t size = 0;

        if (!(st = cafi_face_list_bytes(faces, i, &buf, &bytes, &size, err)))
            st = cafi_record_append(writer, i, (float)cafi_face_list_class(faces, i),
                                    cafi_face_list_name(faces, i), bytes, size, err);
        cli_progress_update(progress, i + 1);
        if (!st && cli_interrupted())
            st = cafi_fail(err, CAFACE_ECANCELLED, "stopped");
    }
    cafi_buf_free(&buf);
    return st;
}

static int pack(void *arg)
{
    const records_options *o = arg;
    cafi_face_list *faces = NULL;
    cafi_record_writer *writer = NULL;
    cli_progress progress = {0};
    size_t left_out = 0;
    int status = CLI_OK;
    caface_error err;
    caface_status st;

    if (!o->output)
        return cli_usage("prepare pack", "-o PREFIX is needed");
    cli_interrupt_begin();
    st = cafi_face_list_open(&faces, o->common.args.items[0], &err);
    if (!st)
        st = cafi_record_begin(&writer, o->output, &err);
    cli_progress_begin(&progress, "pictures", st ? 0 : cafi_face_list_count(faces),
                       o->common.quiet || st);
    if (!st && (st = pack_all(faces, writer, &progress, &err)))
        cafi_record_abort(writer);
    else if (!st)
        st = cafi_record_commit(writer, &err);
    cli_progress_end(&progress);
    if (!st)
        status = print_result(o, cafi_face_list_count(faces), 0, cafi_face_list_classes(faces));
    if (!st)
        left_out = prepare_left_out(faces);
    else
        status = cli_fail(&err);
    cafi_face_list_close(faces);
    cli_interrupt_end();
    return !status && left_out ? CLI_SKIPPED : status;
}

const cli_command cli_prepare_extract = {
    .name = "prepare extract",
    .summary = "a record set of pictures into folders",
    .synopsis = "REC -o DIR",
    .text = "Writes every picture of an MXNet record set (a .rec file, or a folder with\n"
            "train.rec) as DIR/CLASS/FILE, with unchanged bytes. Classes and files have the\n"
            "names of the .lst file; without one, the class is the label and the file the\n"
            "key. InsightFace's record 0 and its records of identities, which are no\n"
            "pictures, are left out.",
    .example = "  caface prepare extract faces_emore/train.rec -o faces/",
    .options = extract_options,
    .options_size = sizeof(records_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS,
    .run = extract,
};

const cli_command cli_prepare_pack = {
    .name = "prepare pack",
    .summary = "folders of pictures into a record set",
    .synopsis = "FACES -o PREFIX",
    .text = "FACES is a folder with one folder for each person. Writes its pictures as an\n"
            "MXNet record set, with unchanged bytes. The label of a picture is the number of\n"
            "its class, in the order of the classes' names.",
    .example = "  caface prepare pack faces/ -o records/train",
    .options = pack_options,
    .options_size = sizeof(records_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS,
    .run = pack,
};
