/* caface/gallery.h - people in one file or database (libcaface-gallery). A gallery keeps the fused
 * faces of each person, so that more faces can be added at any time, and tells which person a face
 * looks like.
 *
 *     caface_gallery *gallery;
 *     caface_gallery_faces faces;
 *
 *     caface_gallery_create(&gallery, "people.gallery", model, NULL, &err);
 *     caface_gallery_faces_init(&faces);
 *     faces.n = n, faces.C = 128, faces.S = 192;
 *     faces.feat = features, faces.style = styles;
 *     caface_gallery_add(gallery, "Ann", &faces, NULL, &err);
 *     caface_gallery_search(gallery, probe, 1, 5, person, similarity, &err);
 *
 * The file is an SQLite database (docs/gallery.md has its tables). Every path may also be the
 * address of a PostgreSQL database, postgresql://[USER@]HOST/DATABASE (EUNSUPPORTED: the library
 * was built without libpq); messages show it without password and options. A person's set is kept
 * as caface_set_save_memory writes it, and later faces are pushed to it, so adding faces in several
 * calls gives the same template as in one. When a call returns, or caface_gallery_commit for a
 * transaction, its changes are on disk, also if the program is killed afterwards; a change that was
 * interrupted is undone. While one process writes, any number may read.
 *
 * Only one thread at a time may use an open gallery; other threads open the file again. */
#ifndef CAFACE_GALLERY_H
#define CAFACE_GALLERY_H

#include <stddef.h>
#include <stdint.h>

#include "caface/model.h"
#include "caface/set.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_gallery caface_gallery;

/* The longest name, and the size of a picture's digest, in bytes. */
#define CAFACE_GALLERY_MAX_NAME 1000
#define CAFACE_GALLERY_DIGEST 16

/* --- opening ----------------------------------------------------------------------- */

/* Filled by caface_gallery_options_init; then changed member by member. All pointers are borrowed
 * for the call. Later versions add members at the end (caface/version.h). */
typedef struct caface_gallery_options {
    size_t size; /* of this struct, set by init */
    const caface_set_options
        *set; /* how faces become a template; only method, chunk, norm_power and width are used.
                 NULL: the method of the model, or average without one; chunks of 512; the width of
                 the model or else of the first faces. Default NULL */
    const char *backbone; /* which backbone makes the features, and how pictures become its */
    const char *input; /* input, as in caface_encoder_info. NULL: those of the first faces that have
                          them. Default NULL */
    int keep_crops;    /* not 0: keep the crops of faces that are added. Default 0 */
    const char *encoding; /* how the backbone encodes: precision, mirror image and taps, as in
                             caface_encoder_info. For a method with a model, faces with other taps
                             are refused; faces with another precision or flip are accepted, and the
                             gallery then names both. NULL: that of the first faces. Default NULL */
} caface_gallery_options;

/* The defaults. */
static inline void caface_gallery_options_init(caface_gallery_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_gallery_options_init_sized(caface_gallery_options *options, size_t size);

/* Makes an empty gallery and opens it for changes. model is borrowed until close; NULL for methods
 * without a model. options NULL: the defaults. The caller frees *out with caface_gallery_close; it
 * is NULL on failure, and no file is left. EINVAL: a method that needs a model without one, the
 * method media, an option out of range. EMODEL: a model for another method. EIO: the file exists
 * already, or cannot be written. EUNSUPPORTED: an option of a later version. ENOMEM. */
CAFACE_API caface_status caface_gallery_create(caface_gallery **out, const char *path,
                                               const caface_model *model,
                                               const caface_gallery_options *options,
                                               caface_error *err);

/* Opens a gallery; writable 0: for reading only. model is borrowed until close. It may be NULL for
 * everything that fuses no faces, such as searching, renaming and removing people. EIO: cannot be
 * read or written. EFORMAT: not a gallery, damaged, or of a later version. EMODEL: made with
 * another model (the message names both hashes). ENOMEM. */
CAFACE_API caface_status caface_gallery_open(caface_gallery **out, const char *path,
                                             const caface_model *model, int writable,
                                             caface_error *err);
/* Not 0: path is the address of a database, not a file. Any thread. */
CAFACE_API int caface_gallery_is_address(const char *path);
/* A path or an address as a program may show it: an address without password and options. *out is
 * the caller's, to free(); NULL on failure. EINVAL: null argument. ENOMEM. Any thread. */
CAFACE_API caface_status caface_gallery_shown(char **out, const char *path, caface_error *err);
/* Closes the gallery; a transaction that was not committed is undone. NULL is allowed. */
CAFACE_API void caface_gallery_close(caface_gallery *gallery);

/* Later versions add members at the end. */
typedef struct caface_gallery_info {
    size_t people, faces; /* faces: of all people, also those that were added as sets */
    size_t pictures;      /* pictures that are listed */
    size_t crops;         /* pictures of which a crop is kept */
    size_t C;             /* 0: no faces have been added yet */
    caface_method method;
    size_t chunk;      /* of a network */
    double norm_power; /* of norm */
    int keep_crops;
    /* Owned by the gallery, and valid until they change; "" when not known. */
    const char *model;    /* hash of the fusion model */
    const char *backbone; /* of the features, and how pictures become its input: as in */
    const char *input;    /* caface_encoder_info */
    const char *encoding; /* how its faces were encoded; several ways are joined by " + " */
} caface_gallery_info;

/* EIO, EFORMAT. */
static inline caface_status caface_gallery_get_info(caface_gallery *gallery,
                                                    caface_gallery_info *info, caface_error *err);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API caface_status caface_gallery_get_info_sized(caface_gallery *gallery,
                                                       caface_gallery_info *info, size_t size,
                                                       caface_error *err);

/* --- transactions ------------------------------------------------------------------- */

/* Every call that changes something is a transaction of its own. Between begin and commit many
 * changes are one transaction: this gallery sees them at once, others see them after commit. If a
 * change fails, the whole transaction is undone and ended. For a gallery opened for reading, all
 * calls between begin and commit see the same state. EIO: the disk is full, or another program has
 * been writing for more than ten seconds. EINVAL: begun twice, or not begun. */
CAFACE_API caface_status caface_gallery_begin(caface_gallery *gallery, caface_error *err);
CAFACE_API caface_status caface_gallery_commit(caface_gallery *gallery, caface_error *err);
/* Undoes everything since begin; does nothing when there was no begin. */
CAFACE_API void caface_gallery_rollback(caface_gallery *gallery);

/* --- people ------------------------------------------------------------------------- */

/* Faces of one person. Filled by caface_gallery_faces_init; then changed member by member.
 * All pointers are borrowed for the call. Later versions add members at the end. */
typedef struct caface_gallery_faces {
    size_t size;                /* of this struct, set by init */
    size_t n;                   /* faces */
    size_t C, S, compact;       /* sizes of a face; S or compact 0: it has none */
    const float *feat;          /* f32 [n][C], not normalised */
    const float *style;         /* f32 [n][S][2], or NULL */
    const float *compact_style; /* f32 [n][compact], used when there is no style; or NULL */
    const char *backbone;       /* which backbone made the features, and how pictures became its */
    const char *input;          /* input, as in caface_features_info; NULL: not known */
    const char *fusion;         /* which fusion model made the compact styles; NULL: not known */
    const char *const *names;   /* [n] names of the pictures, or NULL: they have none */
    const unsigned char *digests; /* [n][CAFACE_GALLERY_DIGEST] identifies a picture; NULL: computed
                                     from the features */
    const void *const *crops;     /* [n] picture files, or NULL; used only if the gallery */
    const size_t *crop_sizes;     /* [n] keeps crops */
    const float *sides;   /* f32 [n] sides of the faces in their pictures, in pixels; or NULL */
    const float *scores;  /* f32 [n] scores of the detector; or NULL */
    const char *encoding; /* how they were encoded, as in caface_features_info; NULL: not known */
} caface_gallery_faces;

static inline void caface_gallery_faces_init(caface_gallery_faces *faces);
/* The inline function calls this with sizeof *faces; nothing is written beyond that size. */
CAFACE_API void caface_gallery_faces_init_sized(caface_gallery_faces *faces, size_t size);

/* What caface_gallery_add did. The caller sets size; later versions add members at the end. */
typedef struct caface_gallery_added {
    size_t size;
    int64_t person;
    size_t added;    /* faces */
    size_t known;    /* faces that the person has already; they were skipped */
    int is_new;      /* the person is new */
    float *likeness; /* f32 [n] the caller's array, or NULL: the cosine of each face to the person's
                        other faces; NaN when there are none, or the face was skipped */
    unsigned char *fresh; /* [n] the caller's array, or NULL: 1: added, 0: skipped */
} caface_gallery_added;

/* Adds faces to a person, who is created if there is nobody with this name. A face that the person
 * has already (the same digest) is skipped, so a call may be repeated. added may be NULL. EINVAL:
 * no faces; a name that is empty, too long, not UTF-8 or has control characters; no features; no
 * styles although the method needs them; NaN or Inf (the message names the row). EMODEL: width,
 * backbone, input or compact styles differ from the gallery's (the message names both), or the
 * gallery was opened without its model. EIO, EFORMAT, ELIMIT, ENOMEM. */
CAFACE_API caface_status caface_gallery_add(caface_gallery *gallery, const char *name,
                                            const caface_gallery_faces *faces,
                                            caface_gallery_added *added, caface_error *err);
/* Adds a set that was made with the gallery's model and method, such as one of another gallery or
 * of `caface fuse --save-state`. It is merged with the set of the person; a new person gets a copy.
 * EMODEL, EINVAL as above. */
CAFACE_API caface_status caface_gallery_add_set(caface_gallery *gallery, const char *name,
                                                const caface_set *set, caface_error *err);
/* EINVAL: nobody has this name. */
CAFACE_API caface_status caface_gallery_remove(caface_gallery *gallery, const char *name,
                                               caface_error *err);
/* EINVAL: nobody has this name, or somebody has the new one. */
CAFACE_API caface_status caface_gallery_rename(caface_gallery *gallery, const char *name,
                                               const char *new_name, caface_error *err);
/* Makes one person of two: the faces and pictures of `from` are added to `into`, and `from` is
 * removed. EINVAL: nobody has one of the names, or they are the same. EMODEL: the gallery was
 * opened without its model. */
CAFACE_API caface_status caface_gallery_merge(caface_gallery *gallery, const char *into,
                                              const char *from, caface_error *err);

/* Later versions add members at the end; made by the library and valid during the call. */
typedef struct caface_gallery_person {
    int64_t id; /* does not change when the person is renamed */
    const char *name;
    size_t faces;
    const float *tmpl;        /* f32 [C], of length 1, or zeros when the faces cancel out */
    double evidence;          /* caface_set_evidence; NaN where the method has none */
    int64_t created, changed; /* seconds since 1970 */
    size_t C; /* width of tmpl, which may differ from an earlier caface_gallery_info: another
                 process may have reset the gallery */
} caface_gallery_person;

/* Called for one person after the other. Return 0 to stop, which is not an error; anything else to
 * go on. It must not call functions with the same gallery. */
typedef int (*caface_gallery_visit)(void *ctx, const caface_gallery_person *person);
/* Visits everybody, in the order of their names. EIO, EFORMAT, ENOMEM. */
CAFACE_API caface_status caface_gallery_people(caface_gallery *gallery, caface_gallery_visit visit,
                                               void *ctx, caface_error *err);
/* Visits one person. EINVAL: nobody has this name. */
CAFACE_API caface_status caface_gallery_find(caface_gallery *gallery, const char *name,
                                             caface_gallery_visit visit, void *ctx,
                                             caface_error *err);
/* A copy of a person's set, which the caller frees with caface_set_free. EINVAL, EMODEL as above.
 */
CAFACE_API caface_status caface_gallery_set(caface_gallery *gallery, const char *name,
                                            caface_set **out, caface_error *err);

/* Later versions add members at the end; borrowed for the call. */
typedef struct caface_gallery_picture {
    const char *person, *name;
    const unsigned char *digest; /* [CAFACE_GALLERY_DIGEST] */
    double length;   /* of the feature, which tells how good the picture is. These numbers are NaN
                        when they are not known */
    double likeness; /* cosine to the person's other faces when it was added */
    double side, score;
    int64_t added;    /* seconds since 1970 */
    const void *crop; /* a picture file, or NULL: not kept, or not asked for */
    size_t crop_size;
} caface_gallery_picture;

typedef int (*caface_gallery_visit_picture)(void *ctx, const caface_gallery_picture *picture);
/* Visits the pictures of a person in the order in which they were added; name NULL: of everybody,
 * person by person. with_crops 0: without the crops. Otherwise as caface_gallery_people. */
CAFACE_API caface_status caface_gallery_pictures(caface_gallery *gallery, const char *name,
                                                 int with_crops, caface_gallery_visit_picture visit,
                                                 void *ctx, caface_error *err);
/* Adds a picture to the list of picture->person without a face, for faces that were added as a set
 * (caface_gallery_add_set). Its crop is kept if the gallery keeps crops. EINVAL: nobody has this
 * name, there is no digest, or the person has the picture already. EUNSUPPORTED: a member of a
 * later version is set. */
static inline caface_status caface_gallery_list_picture(caface_gallery *gallery,
                                                        const caface_gallery_picture *picture,
                                                        caface_error *err);
/* The inline function calls this with sizeof *picture. */
CAFACE_API caface_status caface_gallery_list_picture_sized(caface_gallery *gallery,
                                                           const caface_gallery_picture *picture,
                                                           size_t size, caface_error *err);
/* Mean and standard deviation of the feature lengths of all pictures, to judge a single picture by;
 * NaN when there are fewer than two. */
CAFACE_API caface_status caface_gallery_lengths(caface_gallery *gallery, double *mean,
                                                double *deviation, caface_error *err);

/* Removes all people and calibrations, and gives the gallery another model, method and backbone;
 * for fusing everything again in one transaction. model is borrowed until close. Errors as
 * caface_gallery_create. */
CAFACE_API caface_status caface_gallery_reset(caface_gallery *gallery, const caface_model *model,
                                              const caface_gallery_options *options,
                                              caface_error *err);

/* --- search ------------------------------------------------------------------------- */

/* Finds the k people whose templates have the highest cosine to each of n probes, best first; of
 * equal ones those who were added first. Templates and probes of zeros match nobody.
 *   probes      f32 [n][C], of any length
 *   person      [n][k], written: ids; -1 when the gallery has fewer people
 *   similarity  f32 [n][k], written: cosines; NaN beside -1
 * The first search after a change reads all templates, and keeps them in memory: 4 C bytes per
 * person. EINVAL: null argument, k is 0, NaN or Inf. EMODEL: C is not the gallery's. EFORMAT, EIO,
 * ENOMEM. */
CAFACE_API caface_status caface_gallery_search(caface_gallery *gallery, const float *probes,
                                               size_t n, size_t C, size_t k, int64_t *person,
                                               float *similarity, caface_error *err);
/* The name of a person whom the last search found, valid until the next search or change; NULL: it
 * did not find this person. */
CAFACE_API const char *caface_gallery_name(const caface_gallery *gallery, int64_t person);

/* --- what a score means ------------------------------------------------------------- */

/* The false accept rates for which thresholds are kept: 1e-2, 1e-3, 1e-4, 1e-5, 1e-6. */
#define CAFACE_GALLERY_FARS 5
CAFACE_API double caface_gallery_far(size_t which);

/* Probes for a calibration. Filled by caface_gallery_probes_init; then changed member by member.
 * All pointers are borrowed for the call. Later versions add members at the end. */
typedef struct caface_gallery_probes {
    size_t size;
    size_t n, C;
    const float *templates;    /* f32 [n][C], of any length */
    const char *const *person; /* [n] the person of each probe, in the gallery or not; a NULL in it:
                                  a person with this probe only. NULL: this is so for all */
    const double *evidence;    /* [n] caface_set_evidence of each, or NULL */
    const size_t *faces;       /* [n] the number of faces of each probe, or NULL */
} caface_gallery_probes;

static inline void caface_gallery_probes_init(caface_gallery_probes *probes);
/* The inline function calls this with sizeof *probes; nothing is written beyond that size. */
CAFACE_API void caface_gallery_probes_init_sized(caface_gallery_probes *probes, size_t size);

/* Filled by caface_gallery_calibrate_options_init. Later versions add members at the end. */
typedef struct caface_gallery_calibrate_options {
    size_t size;
    const char *kind;   /* a name for this kind of probes. Default: "probes", or "gallery" when its
                           people are compared with each other */
    const char *method; /* the method of the probes, as text. Default: that of the gallery */
    const char *model;  /* hash of the fusion model of the probes. Default NULL: none */
    size_t resamples; /* resamples for the intervals, by a bootstrap over people, up to 10000; 0: no
                       * intervals. Default 200 */
    uint64_t seed;    /* Default 1 */
    caface_progress progress; /* counts the probes compared, then also the resamples; when it stops
                                 the work, nothing is kept. Default NULL */
    void *progress_context;
} caface_gallery_calibrate_options;

static inline void caface_gallery_calibrate_options_init(caface_gallery_calibrate_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void
caface_gallery_calibrate_options_init_sized(caface_gallery_calibrate_options *options, size_t size);

/* Compares every probe with every other person of the gallery (probes NULL: the people with each
 * other). The thresholds, and the share of these impostors at every score, are kept under method
 * and kind, and replace an older calibration. If there are more than 20 million pairs, a random 20
 * million are compared. options NULL: the defaults. EINVAL: null argument, no impostors, NaN or
 * Inf, a kind or method that is not a valid name. EMODEL: C is not the gallery's. ECANCELLED. EIO,
 * EFORMAT, ENOMEM. */
CAFACE_API caface_status caface_gallery_calibrate(caface_gallery *gallery,
                                                  const caface_gallery_probes *probes,
                                                  const caface_gallery_calibrate_options *options,
                                                  caface_error *err);

/* One calibration in memory; immutable, for any thread. */
typedef struct caface_gallery_calibration caface_gallery_calibration;

/* Finds the calibration for probes with this method, model (hash, or NULL) and number of faces. Of
 * several kinds the one with the nearest number of faces is taken; "gallery" only when there is no
 * other. kind: look for this kind only; NULL: any kind. *out is the caller's, to
 * caface_gallery_calibration_free; it is NULL when there is none, which is not an error. */
CAFACE_API caface_status caface_gallery_calibration_find(caface_gallery_calibration **out,
                                                         caface_gallery *gallery, const char *kind,
                                                         const char *method, const char *model,
                                                         double faces, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_gallery_calibration_free(caface_gallery_calibration *calibration);

/* Later versions add members at the end. */
typedef struct caface_gallery_calibration_info {
    const char *kind, *method, *model; /* owned by the calibration; model is "" without one */
    int64_t made;                      /* seconds since 1970 */
    size_t people, probes, pairs;      /* pairs compared, of different people */
    double faces;                      /* the median number of faces of a probe; NaN: not known */
    size_t found;    /* probes whose person is in the gallery and was found first */
    double evidence; /* evidence that 95 % of these probes reach: answer "cannot tell" below it.
                        NaN: there are fewer than 20, or the method gives no evidence */
} caface_gallery_calibration_info;
static inline void
caface_gallery_calibration_get_info(const caface_gallery_calibration *calibration,
                                    caface_gallery_calibration_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void
caface_gallery_calibration_get_info_sized(const caface_gallery_calibration *calibration,
                                          caface_gallery_calibration_info *info, size_t size);

/* The threshold at caface_gallery_far(which): the lowest score that accepts at most this share of
 * the impostors, with its 95 % interval (NaN: none). Returns 0 when it depends on fewer than ten
 * impostors, which is too few; else 1. */
CAFACE_API int caface_gallery_calibration_threshold(const caface_gallery_calibration *calibration,
                                                    size_t which, double *threshold, double *low,
                                                    double *high);
/* The share of impostors with this score or a higher one; 0: there were none. */
CAFACE_API double caface_gallery_calibration_far(const caface_gallery_calibration *calibration,
                                                 double score);

/* Writes a calibration to a JSON file, complete and with exact numbers, for another copy of the
 * gallery or for reading. EINVAL: null argument. EIO, ENOMEM. */
CAFACE_API caface_status caface_gallery_calibration_save(
    const caface_gallery_calibration *calibration, const char *path, caface_error *err);
/* Reads it again. The caller frees *out with caface_gallery_calibration_free; it is NULL on
 * failure. EIO. EFORMAT: not a calibration, or damaged. EINVAL: a kind or method that is not a
 * valid name. ELIMIT, ENOMEM. */
CAFACE_API caface_status caface_gallery_calibration_load(caface_gallery_calibration **out,
                                                         const char *path, caface_error *err);
/* Keeps a calibration from a file or another gallery, in place of one with the same method and
 * kind. Its people and pictures should be like those of this gallery; the library cannot check
 * that. It is a change like those above. EINVAL: null argument. EIO, ENOMEM. */
CAFACE_API caface_status caface_gallery_keep_calibration(
    caface_gallery *gallery, const caface_gallery_calibration *calibration, caface_error *err);

/* Visits every calibration, in the order of method and kind; each is valid during the call. Return
 * 0 to stop. */
typedef int (*caface_gallery_visit_calibration)(void *ctx,
                                                const caface_gallery_calibration *calibration);
CAFACE_API caface_status caface_gallery_calibrations(caface_gallery *gallery,
                                                     caface_gallery_visit_calibration visit,
                                                     void *ctx, caface_error *err);

static inline void caface_gallery_options_init(caface_gallery_options *options)
{
    caface_gallery_options_init_sized(options, sizeof *options);
}

static inline caface_status caface_gallery_get_info(caface_gallery *gallery,
                                                    caface_gallery_info *info, caface_error *err)
{
    return caface_gallery_get_info_sized(gallery, info, sizeof *info, err);
}

static inline void caface_gallery_faces_init(caface_gallery_faces *faces)
{
    caface_gallery_faces_init_sized(faces, sizeof *faces);
}

static inline caface_status caface_gallery_list_picture(caface_gallery *gallery,
                                                        const caface_gallery_picture *picture,
                                                        caface_error *err)
{
    return caface_gallery_list_picture_sized(gallery, picture, sizeof *picture, err);
}

static inline void caface_gallery_probes_init(caface_gallery_probes *probes)
{
    caface_gallery_probes_init_sized(probes, sizeof *probes);
}

static inline void caface_gallery_calibrate_options_init(caface_gallery_calibrate_options *options)
{
    caface_gallery_calibrate_options_init_sized(options, sizeof *options);
}

static inline void
caface_gallery_calibration_get_info(const caface_gallery_calibration *calibration,
                                    caface_gallery_calibration_info *info)
{
    caface_gallery_calibration_get_info_sized(calibration, info, sizeof *info);
}

#ifdef __cplusplus
}
#endif
#endif
