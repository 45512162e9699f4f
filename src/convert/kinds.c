#include "convert/kinds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "caface/set.h"
#include "files/bundle.h"
#include "files/bytes.h"
#include "files/mapped.h"
#include "files/pair_bin.h"
#include "files/recordio.h"

/* Entries of a folder, and of the folders in it, that are looked at. */
#define MOST_ENTRIES ((size_t)1000000)

/* Places in a saved set: docs/fusion.md. */
enum { SET_METHOD = 16, SET_WIDTH = 48, SET_COUNT = 144, SET_HEAD = 184 };
#define SET_MAGIC "CAFASET\n"

void cafi_kind_clear(cafi_kind *kind)
{
    cafi_buf_free(&kind->sentence);
    cafi_buf_free(&kind->facts);
    *kind = (cafi_kind){0};
}

static caface_status of_records(cafi_kind *out, const char *path, caface_error *err)
{
    cafi_json json = {.out = &out->facts};
    cafi_recordio *rec = NULL;
    cafi_record record;
    cafi_buf buf = {0};
    caface_error why = {CAFACE_OK, ""};
    size_t bad = 0, count = 0, labels = 0;
    bool pictures = false;
    caface_status st = cafi_recordio_open_damaged(&rec, path, &bad, &why, err);

    out->name = "record-set";
    if (st)
        return st;
    count = cafi_recordio_count(rec);
    if (count && !cafi_recordio_read(rec, 0, &buf, &record, NULL)) {
        pictures = record.size > 4 && (memcmp(record.body, "\xff\xd8", 2) == 0 ||
                                       memcmp(record.body, "\x89PNG", 4) == 0);
        labels = record.label_count;
    }
    cafi_buf_free(&buf);
    cafi_recordio_close(rec);
    cafi_buf_printf(&out->sentence, "a record set (RecordIO) of %zu %s%s", count,
                    pictures ? "picture" : "record", cafi_plural(count));
    if (bad)
        cafi_buf_printf(&out->sentence, ", %zu damaged one%s left out; the first: %s", bad,
                        cafi_plural(bad), why.message);
    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "records", (int64_t)count);
    cafi_json_int(&json, "damaged", (int64_t)bad);
    cafi_json_int(&json, "labels", (int64_t)labels);
    cafi_json_bool(&json, "pictures", pictures);
    cafi_json_end_object(&json);
    return CAFACE_OK;
}

/* Its checksum is looked at where it is loaded, with its model. */
static caface_status of_saved_set(cafi_kind *out, const char *path, const unsigned char *bytes,
                                  size_t size, caface_error *err)
{
    cafi_json json = {.out = &out->facts};
    const char *method =
        size >= SET_HEAD ? caface_method_name((caface_method)cafi_le32(bytes + SET_METHOD)) : NULL;

    out->name = "saved-set";
    if (!method)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: a saved set that is damaged or cut off", path);
    cafi_buf_printf(
        &out->sentence,
        "a saved set of %llu face%s, %s, %llu numbers a feature (`caface fuse --merge`)",
        (unsigned long long)cafi_le64(bytes + SET_COUNT),
        cafi_plural(cafi_le64(bytes + SET_COUNT) != 1 ? 2 : 1), method,
        (unsigned long long)cafi_le64(bytes + SET_WIDTH));
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "method", method);
    cafi_json_int(&json, "faces", (int64_t)cafi_le64(bytes + SET_COUNT));
    cafi_json_int(&json, "C", (int64_t)cafi_le64(bytes + SET_WIDTH));
    cafi_json_int(&json, "version", cafi_le32(bytes + 8));
    cafi_json_end_object(&json);
    return CAFACE_OK;
}

/* An SQLite file's head, and where it says whose it is: a gallery's (gallery/sqlite_file.c). */
enum { SQLITE_HEAD = 100, SQLITE_APPLICATION = 68 };

caface_status cafi_kind_of_head(cafi_kind *out, const char *path, caface_error *err)
{
    static const char sqlite[] = "SQLite format 3";
    cafi_mapped map;
    caface_status st = CAFACE_OK;

    *out = (cafi_kind){0};
    if (cafi_mapped_open(&map, path, NULL))
        return CAFACE_OK; /* what reads it says why */
    if (cafi_is_recordio(map.data, map.size))
        st = of_records(out, path, err);
    else if (map.size >= 8 && memcmp(map.data, SET_MAGIC, 8) == 0)
        st = of_saved_set(out, path, map.data, map.size, err);
    else if (map.size >= SQLITE_HEAD && memcmp(map.data, sqlite, sizeof sqlite) == 0 &&
             memcmp(map.data + SQLITE_APPLICATION, "CFGA", 4) == 0) {
        out->name = "gallery";
        cafi_buf_text(&out->sentence, "a gallery of people (`caface gallery show`)");
        cafi_buf_text(&out->facts, "{}");
    } else
        st = cafi_kind_of_picture(out, path, map.data, map.size, err);
    cafi_mapped_close(&map);
    return st;
}

static bool of_pairs(cafi_kind *out, const char *path)
{
    cafi_json json = {.out = &out->facts};
    cafi_pair_bin *bin = NULL;
    size_t pairs = 0, same = 0;

    if (cafi_pair_bin_open(&bin, path, NULL))
        return false;
    pairs = cafi_pair_bin_pairs(bin);
    for (size_t i = 0; i < pairs; i++)
        same += cafi_pair_bin_same(bin)[i];
    cafi_pair_bin_close(bin);
    out->name = "pair-set";
    cafi_buf_printf(&out->sentence,
                    "a verification set of %zu pair%s of pictures, %zu of one person (`caface eval "
                    "pairs --bin`)",
                    pairs, cafi_plural(pairs), same);
    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "pairs", (int64_t)pairs);
    cafi_json_int(&json, "same", (int64_t)same);
    cafi_json_end_object(&json);
    return true;
}

static bool is_text(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size && i < 65536; i++)
        if (bytes[i] == 0 || (bytes[i] < 0x20 && !strchr("\t\r\n", bytes[i])))
            return false;
    return size > 0;
}

/* The JSON that this program writes beside features. */
static bool of_description(cafi_kind *out, const char *text, size_t size)
{
    cafi_value json = {.kind = CAFI_NULL};
    const char *says = NULL;
    int64_t version = 0;

    if (size == 0 || *text != '{' || cafi_json_parse(&json, text, size, NULL))
        return false;
    if (cafi_value_int(&json, "version", &version)) {
        if (cafi_value_get(&json, "tracks"))
            says = "the people that were followed in videos, beside a feature set (tracks.json)";
        else if (cafi_value_get(&json, "backbone"))
            says = "what features say of themselves: `caface info` of its folder shows them";
    }
    cafi_value_clear(&json);
    if (!says)
        return false;
    out->name = "description";
    cafi_buf_text(&out->sentence, says);
    cafi_buf_text(&out->facts, "{}");
    return true;
}

caface_status cafi_kind_of_rest(cafi_kind *out, const char *path, caface_error *err)
{
    cafi_json json = {.out = &out->facts};
    cafi_mapped map;
    const char *form = NULL;
    size_t lines = 0;
    bool text = false, described = false;

    *out = (cafi_kind){0};
    if (cafi_mapped_open(&map, path, NULL))
        return CAFACE_OK;
    text = is_text(map.data, map.size);
    described = text && of_description(out, (const char *)map.data, map.size);
    if (text && !described)
        form = cafi_list_form((const char *)map.data, map.size, &lines);
    cafi_mapped_close(&map);
    if (described)
        return CAFACE_OK;
    if (form) {
        out->name = "list";
        cafi_buf_printf(&out->sentence, "a list of %zu line%s: %s", lines, cafi_plural(lines),
                        form);
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "lines", (int64_t)lines);
        cafi_json_string(&json, "form", form);
        cafi_json_end_object(&json);
    } else if (!of_pairs(out, path) && !text)
        return cafi_kind_of_video(out, path, err);
    return CAFACE_OK;
}

caface_status cafi_kind_of_variants(cafi_kind *out, const char *path, caface_error *err)
{
    cafi_json json = {.out = &out->facts};
    cafi_buf file = {0};
    cafi_bundle *features = NULL;
    const cafi_tensor *t = NULL;
    caface_status st = CAFACE_OK;

    *out = (cafi_kind){0};
    cafi_buf_printf(&file, "%s/features.npy", path);
    st = file.failed ? cafi_fail_memory(err, strlen(path))
                     : cafi_bundle_open(&features, file.data, NULL);
    cafi_buf_free(&file);
    if (st)
        return st == CAFACE_ENOMEM ? cafi_fail_memory(err, 1) : CAFACE_OK;
    t = cafi_bundle_at(features, 0);
    if (t && t->ndim == 3) {
        out->name = "training-set";
        cafi_buf_printf(&out->sentence,
                        "features for training: %zu picture%s, %zu variant%s of each, %zu numbers "
                        "(`caface train --data`)",
                        t->shape[0], cafi_plural(t->shape[0]), t->shape[1],
                        cafi_plural(t->shape[1]), t->shape[2]);
        cafi_json_begin_object(&json, NULL);
        cafi_json_int(&json, "pictures", (int64_t)t->shape[0]);
        cafi_json_int(&json, "variants", (int64_t)t->shape[1]);
        cafi_json_int(&json, "C", (int64_t)t->shape[2]);
        cafi_json_end_object(&json);
    }
    cafi_bundle_close(features);
    return CAFACE_OK;
}

/* ---- folders ---------------------------------------------------------------- */

typedef struct tally {
    size_t pictures, folders, others, looked;
    char known[4][256]; /* names that decide what the folder is; the first of several */
} tally;

enum { MTCNN, RECORDS, INDEX, MODEL };

static void note(tally *t, int which, const char *name)
{
    if (!*t->known[which] || strcmp(name, t->known[which]) < 0)
        snprintf(t->known[which], sizeof t->known[which], "%s", name);
}

static bool ends(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);

    return a >= b && strcmp(name + a - b, end) == 0;
}

static void tally_name(tally *t, const char *name)
{
    static const char *const models[] = {".safetensors", ".onnx", ".ckpt", ".pth", ".pt"};

    if (strcmp(name, "pnet.npy") == 0)
        note(t, MTCNN, name);
    if (ends(name, ".rec"))
        note(t, RECORDS, name);
    if (ends(name, ".index.json"))
        note(t, INDEX, name);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (ends(name, models[i]))
            note(t, MODEL, name);
    if (cafi_kind_is_picture_name(name))
        t->pictures++;
    else
        t->others++;
}

/* The folder, and the folders in it, which are persons as a rule. */
static caface_status tally_folder(tally *t, const char *path, bool inner, caface_error *err)
{
    DIR *dir = opendir(path);
    caface_status st = CAFACE_OK;

    if (!dir && !inner)
        return cafi_fail(err, CAFACE_EIO, "%s: cannot be read", path);
    for (struct dirent *e = NULL; !st && dir && t->looked < MOST_ENTRIES && (e = readdir(dir));
         t->looked++) {
        cafi_buf name = {0};
        struct stat info;

        if (e->d_name[0] == '.')
            continue;
        cafi_buf_printf(&name, "%s/%s", path, e->d_name);
        if (name.failed)
            st = cafi_fail_memory(err, strlen(path));
        else if (stat(name.data, &info) || !S_ISDIR(info.st_mode))
            tally_name(t, e->d_name);
        else if (!inner) {
            t->folders++;
            st = tally_folder(t, name.data, true, err);
        }
        cafi_buf_free(&name);
    }
    if (dir)
        closedir(dir);
    return st;
}

static void say_folder(cafi_buf *out, const tally *t, const char *path)
{
    if (*t->known[MTCNN])
        cafi_buf_text(out, "a folder of MTCNN's networks (--detector)");
    else if (*t->known[RECORDS])
        cafi_buf_printf(out, "a folder with a record set: `caface info %s/%s`", path,
                        t->known[RECORDS]);
    else if (*t->known[INDEX] || *t->known[MODEL])
        cafi_buf_printf(out, "a folder with a model: `caface info %s/%s`", path,
                        *t->known[INDEX] ? t->known[INDEX] : t->known[MODEL]);
    else {
        cafi_buf_printf(out, "a folder of %s%zu picture%s",
                        t->looked < MOST_ENTRIES ? "" : "more than ", t->pictures,
                        cafi_plural(t->pictures));
        if (t->folders)
            cafi_buf_printf(out, " and %zu folder%s (of persons, as a rule)", t->folders,
                            cafi_plural(t->folders));
        if (t->others)
            cafi_buf_printf(out, ", and %zu other file%s", t->others, cafi_plural(t->others));
    }
}

caface_status cafi_kind_of_folder(cafi_kind *out, const char *path, caface_error *err)
{
    cafi_json json = {.out = &out->facts};
    tally t = {0};
    caface_status st = tally_folder(&t, path, false, err);

    *out = (cafi_kind){.name = "folder"};
    if (st)
        return st;
    say_folder(&out->sentence, &t, path);
    cafi_json_begin_object(&json, NULL);
    cafi_json_int(&json, "pictures", (int64_t)t.pictures);
    cafi_json_int(&json, "folders", (int64_t)t.folders);
    cafi_json_int(&json, "others", (int64_t)t.others);
    cafi_json_end_object(&json);
    return CAFACE_OK;
}
