/* Gallery files. The first byte says what the rest is: edits of a sound gallery's bytes (4 of
 * where, 1 of what), or the state, template, picture, calibration or identity of one. Whatever
 * opens can be read without a crash, and an error begins with the path. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/gallery.h"
#include "files/bytes.h"
#include "fuzz.h"

enum { WIDTH = 8, FACES = 5 };

static unsigned char *sound;
static size_t sound_size;

static void read_sound(const char *path)
{
    FILE *file = fopen(path, "rb");

    fuzz_check(file && fseek(file, 0, SEEK_END) == 0, "no sound gallery");
    sound_size = (size_t)ftell(file);
    rewind(file);
    sound = malloc(sound_size);
    fuzz_check(sound && fread(sound, 1, sound_size, file) == sound_size, "not read");
    fclose(file);
}

static void make_sound(void)
{
    static const char *const names[] = {"Ann", "Bob", "Cleo"};
    char path[64];
    caface_gallery *g = NULL;
    caface_error err;

    snprintf(path, sizeof path, "/tmp/fuzz-sound-%ld", (long)getpid());
    unlink(path);
    fuzz_check(!caface_gallery_create(&g, path, NULL, NULL, &err), "not created");
    for (int i = 0; i < 3; i++) {
        float feat[FACES * WIDTH];
        caface_gallery_faces faces;

        for (int k = 0; k < FACES * WIDTH; k++)
            feat[k] = (float)((k * 7 + i * 13) % 11) - 5.0F;
        caface_gallery_faces_init(&faces);
        faces.n = FACES;
        faces.C = WIDTH;
        faces.feat = feat;
        fuzz_check(!caface_gallery_add(g, names[i], &faces, NULL, &err), "not added");
    }
    fuzz_check(!caface_gallery_calibrate(g, NULL, NULL, &err), "not calibrated");
    caface_gallery_close(g);
    read_sound(path);
    unlink(path);
}

static const char *edited(const uint8_t *data, size_t size)
{
    unsigned char *bytes = malloc(sound_size);
    const char *path = NULL;

    fuzz_check(bytes != NULL, "no memory");
    memcpy(bytes, sound, sound_size);
    for (size_t i = 0; i + 5 <= size; i += 5)
        bytes[cafi_le32(data + i) % sound_size] = data[i + 4];
    path = fuzz_file(bytes, sound_size);
    free(bytes);
    return path;
}

static const char *replaced(const char *sql, const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(sound, sound_size);
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;

    fuzz_check(sqlite3_open(path, &db) == SQLITE_OK, "not opened");
    fuzz_check(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, sql);
    sqlite3_bind_blob(q, 1, data, (int)size, SQLITE_STATIC);
    sqlite3_step(q);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return path;
}

static int visit(void *ctx, const caface_gallery_person *person)
{
    fuzz_read(person->tmpl, WIDTH * sizeof(float));
    (void)ctx;
    return 1;
}

static int visit_picture(void *ctx, const caface_gallery_picture *picture)
{
    fuzz_read(picture->digest, CAFACE_GALLERY_DIGEST);
    (void)ctx;
    return 1;
}

static void use(const char *path)
{
    static const float probe[WIDTH] = {1, 2, 3, 4, 5, 6, 7, 8};
    caface_gallery *g = NULL;
    caface_gallery_info info;
    caface_gallery_calibration *c = NULL;
    caface_set *set = NULL;
    int64_t person[3];
    float similarity[3];
    double mean, deviation;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = caface_gallery_open(&g, path, NULL, 1, &err);

    (void)(st || (st = caface_gallery_get_info(g, &info, &err)) ||
           (info.C == WIDTH && (st = caface_gallery_people(g, visit, NULL, &err))) ||
           (st = caface_gallery_pictures(g, NULL, 1, visit_picture, NULL, &err)) ||
           (st = caface_gallery_lengths(g, &mean, &deviation, &err)) ||
           (st = caface_gallery_search(g, probe, 1, WIDTH, 3, person, similarity, &err)) ||
           (st = caface_gallery_calibration_find(&c, g, NULL, "average", NULL, 1, &err)) ||
           (st = caface_gallery_set(g, "Ann", &set, &err)) ||
           (st = caface_gallery_merge(g, "Ann", "Bob", &err)) ||
           (st = caface_gallery_remove(g, "Ann", &err)));
    if (c)
        fuzz_check(caface_gallery_calibration_far(c, 0.5) <= 1.0, "a rate above 1");
    if (st)
        fuzz_check(strncmp(err.message, path, strlen(path)) == 0, "an error without its path");
    caface_set_free(set);
    caface_gallery_calibration_free(c);
    caface_gallery_close(g);
}

static void remove_log(const char *path)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    char name[4096];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const sql[] = {
        "UPDATE state SET bytes = ?1 WHERE person = 1",
        "UPDATE template SET vector = ?1 WHERE person = 2",
        "UPDATE picture SET digest = ?1 WHERE id = 3",
        "UPDATE meta SET value = ?1 WHERE key LIKE 'calibration/%'",
        "UPDATE meta SET value = ?1 WHERE key = 'method'",
        "UPDATE meta SET value = ?1 WHERE key = 'width'",
        "UPDATE person SET name = ?1 WHERE id = 2",
    };
    const size_t kinds = sizeof sql / sizeof *sql;
    const char *path = NULL;

    if (!sound)
        make_sound();
    if (!size)
        return 0;
    path = data[0] % (kinds + 1) == kinds
               ? edited(data + 1, size - 1)
               : replaced(sql[data[0] % (kinds + 1)], data + 1, size - 1);
    use(path);
    remove_log(path);
    return 0;
}
