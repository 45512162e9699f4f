/* caface/gallery.h - people in one file or database: what their faces have been fused to, so that
 * more faces can join at any time, and who of them a face looks like (libcaface-gallery).
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
 * The file is an SQLite database (docs/gallery.md has its tables). Where a path is taken, so is the
 * address of a PostgreSQL database, postgresql://[USER@]HOST/DATABASE (EUNSUPPORTED: a library that
 * was built without libpq); sentences show it without password and options. A person's set is kept
 * as caface_set_save_memory gives it, and faces that come later are pushed to it: adding in several
 * goes gives the template of one go. What a call did is there for good when it returns, or when
 * caface_gallery_commit does, whatever becomes of the program; what was under way is gone. Any
 * number of processes may read beside one that writes.
 *
 * A gallery is one thread's at a time; other threads open it again. */
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

/* Bytes of a name at most, and of what tells one picture from another. */
#define CAFACE_GALLERY_MAX_NAME 1000
#define CAFACE_GALLERY_DIGEST 16

/* --- opening ----------------------------------------------------------------------- */

/* Filled by caface_gallery_options_init; then changed member by member. All is borrowed for
 * the call. Grows at its end (caface/version.h). */
typedef struct caface_gallery_options {
    size_t size;                   /* of this struct, set by init */
    const caface_set_options *set; /* how faces become a template: method, chunk, norm_power and
                                    * width are looked at. NULL: the model's own method, average
                                    * without one, chunks of 512, and the width of the model or
                                    * else of the first faces. Default NULL */
    const char *backbone; /* what makes the features, and how pictures become its input, as */
    const char *input;    /* caface_encoder_info tells. NULL: those of the first faces that
                           * tell. Default NULL */
    int keep_crops;       /* not 0: crops that come with faces are kept. Default 0 */
    const char *encoding; /* how it encodes: precision, mirror image and taps, as both tell. Faces
                           * of other taps are refused where the method is a network's; those of
                           * other ways are taken, and the gallery names both then. NULL: as the
                           * first faces say. Default NULL */
} caface_gallery_options;

/* The defaults. */
static inline void caface_gallery_options_init(caface_gallery_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_gallery_options_init_sized(caface_gallery_options *options, size_t size);

/* Makes an empty gallery and opens it for changes. model is borrowed until close; NULL for
 * the simple methods. options NULL: the defaults. *out is the caller's, to
 * caface_gallery_close; NULL on failure, and no file is left.
 * EINVAL: a network's method without its model, a set by media, options out of their range.
 * EMODEL: a model for another method. EIO: the file is there already, or cannot be written.
 * EUNSUPPORTED: an option of a later version. ENOMEM. */
CAFACE_API caface_status caface_gallery_create(caface_gallery **out, const char *path,
                                               const caface_model *model,
                                               const caface_gallery_options *options,
                                               caface_error *err);

/* Opens a gallery; writable 0: to read alone. model is borrowed until close; NULL is allowed
 * for all that does not fuse: a gallery by a network can then be searched, and people be
 * renamed and removed.
 * EIO: cannot be read, or not written. EFORMAT: no gallery, damaged, or of a later version.
 * EMODEL: of another model (both hashes are named). ENOMEM. */
CAFACE_API caface_status caface_gallery_open(caface_gallery **out, const char *path,
                                             const caface_model *model, int writable,
                                             caface_error *err);
/* Undoes what was begun and not committed. NULL is allowed. */
CAFACE_API void caface_gallery_close(caface_gallery *gallery);

/* Grows at its end. */
typedef struct caface_gallery_info {
    size_t people, faces; /* faces: of all people; those whose states were imported too */
    size_t pictures;      /* that are listed */
    size_t crops;         /* of these, kept */
    size_t C;             /* 0: no faces have been added yet */
    caface_method method;
    size_t chunk;      /* of a network */
    double norm_power; /* of norm */
    int keep_crops;
    const char *model;    /* hash of the fusion model, "" without one. These are the gallery's */
    const char *backbone; /* own, good until what they say changes; "" where nobody has told */
    const char *input;
    const char *encoding; /* how all its faces were encoded, with " + " between several ways */
} caface_gallery_info;

/* EIO, EFORMAT. */
static inline caface_status caface_gallery_get_info(caface_gallery *gallery,
                                                    caface_gallery_info *info, caface_error *err);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API caface_status caface_gallery_get_info_sized(caface_gallery *gallery,
                                                       caface_gallery_info *info, size_t size,
                                                       caface_error *err);

/* --- transactions ------------------------------------------------------------------- */

/* Every call that changes something is whole or not at all by itself. Between begin and
 * commit many are: what they do is seen by this gallery at once, by others after commit.
 * An error of a change ends the transaction, and all of it is undone. Of a gallery that was opened
 * to read, the calls in between see one state of things. EIO: the disk is full, another
 * program writes for longer than ten seconds. EINVAL: begun twice, not begun. */
CAFACE_API caface_status caface_gallery_begin(caface_gallery *gallery, caface_error *err);
CAFACE_API caface_status caface_gallery_commit(caface_gallery *gallery, caface_error *err);
/* Undoes all since begin; does nothing where nothing was begun. */
CAFACE_API void caface_gallery_rollback(caface_gallery *gallery);

/* --- people ------------------------------------------------------------------------- */

/* Faces of one person. Filled by caface_gallery_faces_init; then changed member by member.
 * All is borrowed for the call. Grows at its end. */
typedef struct caface_gallery_faces {
    size_t size;                /* of this struct, set by init */
    size_t n;                   /* faces */
    size_t C, S, compact;       /* widths; S and compact 0: none */
    const float *feat;          /* f32 [n][C], not normalised */
    const float *style;         /* f32 [n][S][2], or NULL */
    const float *compact_style; /* f32 [n][compact], used where there is no style; or NULL */
    const char *backbone;     /* what made them, as caface_features_info and caface_encoder_info */
    const char *input;        /* tell; NULL: nobody knows */
    const char *fusion;       /* what made the compact styles; NULL: nobody knows */
    const char *const *names; /* [n] of the pictures, or NULL: none */
    const unsigned char *digests; /* [n][CAFACE_GALLERY_DIGEST] what tells one picture from
                                   * another; NULL: made of the features */
    const void *const *crops;     /* [n] bytes of picture files, or NULL; looked at with */
    const size_t *crop_sizes;     /* [n] keep_crops alone */
    const float *sides;           /* f32 [n] of the faces in their pictures, in pixels; or NULL */
    const float *scores;          /* f32 [n] of the detector; or NULL */
    const char *encoding;         /* how they were encoded, as both tell; NULL: nobody knows */
} caface_gallery_faces;

static inline void caface_gallery_faces_init(caface_gallery_faces *faces);
/* What it calls: size is sizeof *faces of the program; nothing is written beyond it. */
CAFACE_API void caface_gallery_faces_init_sized(caface_gallery_faces *faces, size_t size);

/* What an addition did. size is set by the caller; grows at its end. */
typedef struct caface_gallery_added {
    size_t size;
    int64_t person;
    size_t added;         /* faces */
    size_t known;         /* faces that the person has already: passed over */
    int is_new;           /* the person was not there */
    float *likeness;      /* f32 [n] of the caller's, or NULL: the cosine of each face to the
                           * person's others; NaN where there are none, or it was passed over */
    unsigned char *fresh; /* [n] of the caller's, or NULL: 1 added, 0 passed over */
} caface_gallery_added;

/* Adds faces to a person, who is made if there is none of the name. A face that the person
 * has already (the same digest) is passed over, so that a call may be repeated. added NULL:
 * not wanted.
 * EINVAL: no face, a name that is empty, too long, no UTF-8 or holds control characters; no
 * features; no styles where the method needs them; NaN or Inf (names the row). EMODEL: another
 * width, backbone, input or compact style than the gallery's (both are named), or the
 * gallery was opened without its model. EIO, EFORMAT, ELIMIT, ENOMEM. */
CAFACE_API caface_status caface_gallery_add(caface_gallery *gallery, const char *name,
                                            const caface_gallery_faces *faces,
                                            caface_gallery_added *added, caface_error *err);
/* Adds a set that was fused elsewhere with the gallery's model and method, such as another
 * gallery's or `caface fuse --save-state`'s: the states merge; who is new has it as it is. EMODEL,
 * EINVAL as above. */
CAFACE_API caface_status caface_gallery_add_set(caface_gallery *gallery, const char *name,
                                                const caface_set *set, caface_error *err);
/* EINVAL: nobody has the name. */
CAFACE_API caface_status caface_gallery_remove(caface_gallery *gallery, const char *name,
                                               caface_error *err);
/* EINVAL: nobody has the name, or somebody has the new one. */
CAFACE_API caface_status caface_gallery_rename(caface_gallery *gallery, const char *name,
                                               const char *new_name, caface_error *err);
/* Two that are one: the faces and pictures of `from` join `into`, and `from` is gone. EINVAL:
 * nobody has a name, or it is twice the same. EMODEL: opened without the model. */
CAFACE_API caface_status caface_gallery_merge(caface_gallery *gallery, const char *into,
                                              const char *from, caface_error *err);

/* Grows at its end; the library makes these, and they are borrowed for the call. */
typedef struct caface_gallery_person {
    int64_t id; /* stays when the person is renamed */
    const char *name;
    size_t faces;
    const float *tmpl;        /* f32 [C], of length 1, or zeros when the faces cancel out */
    double evidence;          /* caface_set_evidence; NaN where the method has none */
    int64_t created, changed; /* seconds since 1970 */
    size_t C;                 /* of tmpl: another process may have reset the gallery meanwhile */
} caface_gallery_person;

/* Called with one after the other; 0 ends it, which is no error. No call with the gallery may
 * be made from inside. */
typedef int (*caface_gallery_visit)(void *ctx, const caface_gallery_person *person);
/* Everybody, by name. EIO, EFORMAT, ENOMEM. */
CAFACE_API caface_status caface_gallery_people(caface_gallery *gallery, caface_gallery_visit visit,
                                               void *ctx, caface_error *err);
/* One person. EINVAL: nobody has the name. */
CAFACE_API caface_status caface_gallery_find(caface_gallery *gallery, const char *name,
                                             caface_gallery_visit visit, void *ctx,
                                             caface_error *err);
/* A person's set, as it is now: the caller's, to caface_set_free. EINVAL, EMODEL as above. */
CAFACE_API caface_status caface_gallery_set(caface_gallery *gallery, const char *name,
                                            caface_set **out, caface_error *err);

/* Grows at its end; borrowed for the call. */
typedef struct caface_gallery_picture {
    const char *person, *name;
    const unsigned char *digest; /* [CAFACE_GALLERY_DIGEST] */
    double length;   /* of the feature: how good the picture is. NaN in these: not known */
    double likeness; /* cosine to the person's others when it was added */
    double side, score;
    int64_t added;    /* seconds since 1970 */
    const void *crop; /* bytes of a picture file, or NULL: not kept, or not asked for */
    size_t crop_size;
} caface_gallery_picture;

typedef int (*caface_gallery_visit_picture)(void *ctx, const caface_gallery_picture *picture);
/* The pictures of a person in the order in which they came; name NULL: of everybody, by
 * person. with_crops 0: without their bytes. As caface_gallery_people. */
CAFACE_API caface_status caface_gallery_pictures(caface_gallery *gallery, const char *name,
                                                 int with_crops, caface_gallery_visit_picture visit,
                                                 void *ctx, caface_error *err);
/* Lists a picture with a person who is there, without its face: for faces that came as a set
 * (caface_gallery_add_set). picture->person says whose it is; a crop is kept where the gallery
 * keeps them. EINVAL: nobody has the name, no digest, or the person has the picture already.
 * EUNSUPPORTED: a member of a later version is set. */
static inline caface_status caface_gallery_list_picture(caface_gallery *gallery,
                                                        const caface_gallery_picture *picture,
                                                        caface_error *err);
/* What it calls: size is sizeof *picture of the program. */
CAFACE_API caface_status caface_gallery_list_picture_sized(caface_gallery *gallery,
                                                           const caface_gallery_picture *picture,
                                                           size_t size, caface_error *err);
/* The mean length of the features of all pictures, and its standard deviation: what a poor
 * picture is compared with; NaN with fewer than two. */
CAFACE_API caface_status caface_gallery_lengths(caface_gallery *gallery, double *mean,
                                                double *deviation, caface_error *err);

/* Takes out everybody and every calibration, and gives the gallery another model, method
 * and identity: for who fuses all of it again, inside a transaction. model is borrowed until
 * close. Errors as caface_gallery_create. */
CAFACE_API caface_status caface_gallery_reset(caface_gallery *gallery, const caface_model *model,
                                              const caface_gallery_options *options,
                                              caface_error *err);

/* --- search ------------------------------------------------------------------------- */

/* The k people who are most like each of n templates, best first, by cosine; of equals who
 * came first. A template or probe of zeros is of nobody.
 *   probes      f32 [n][C], of any length
 *   person      [n][k], written: ids; -1 where the gallery has fewer people
 *   similarity  f32 [n][k], written; NaN there
 * The first search after a change reads all templates: 4 C bytes a person stay in memory.
 * EINVAL: null argument, k is 0, NaN or Inf. EMODEL: another width. EFORMAT, EIO, ENOMEM. */
CAFACE_API caface_status caface_gallery_search(caface_gallery *gallery, const float *probes,
                                               size_t n, size_t C, size_t k, int64_t *person,
                                               float *similarity, caface_error *err);
/* The name of somebody whom a search found, the gallery's own until the next search or
 * change; NULL: not found by the last search. */
CAFACE_API const char *caface_gallery_name(const caface_gallery *gallery, int64_t person);

/* --- what a score means ------------------------------------------------------------- */

/* The false accept rates for which thresholds are kept: 1e-2, 1e-3, 1e-4, 1e-5, 1e-6. */
#define CAFACE_GALLERY_FARS 5
CAFACE_API double caface_gallery_far(size_t which);

/* Probes to calibrate with. Filled by caface_gallery_probes_init; then changed member by member.
 * All is borrowed for the call. Grows at its end. */
typedef struct caface_gallery_probes {
    size_t size;
    size_t n, C;
    const float *templates; /* f32 [n][C], of any length */
    const char *const
        *person;            /* [n] whose they are: a name of the gallery or of somebody else; NULL
                             * there: somebody of whom there is one probe. NULL: all of them */
    const double *evidence; /* [n] caface_set_evidence, or NULL */
    const size_t *faces;    /* [n] of each probe, or NULL */
} caface_gallery_probes;

static inline void caface_gallery_probes_init(caface_gallery_probes *probes);
/* What it calls: size is sizeof *probes of the program; nothing is written beyond it. */
CAFACE_API void caface_gallery_probes_init_sized(caface_gallery_probes *probes, size_t size);

/* Filled by caface_gallery_calibrate_options_init. Grows at its end. */
typedef struct caface_gallery_calibrate_options {
    size_t size;
    const char *kind;   /* a name for probes of this kind. Default: "probes", and of the gallery
                         * against itself "gallery" */
    const char *method; /* how they are fused, as a name. Default: the gallery's method */
    const char *model;  /* hash of the fusion model they are fused by; NULL: none. Default NULL */
    size_t resamples;   /* of the intervals, a bootstrap over people, up to 10000; 0: none.
                         * Default 200 */
    uint64_t seed;      /* Default 1 */
    caface_progress progress; /* called with the probes that are compared, then with these and the
                               * resamples; stopped, nothing is kept. Default NULL */
    void *progress_context;
} caface_gallery_calibrate_options;

static inline void caface_gallery_calibrate_options_init(caface_gallery_calibrate_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void
caface_gallery_calibrate_options_init_sized(caface_gallery_calibrate_options *options, size_t size);

/* Compares every probe with every other person of the gallery (probes NULL: the people with each
 * other), and keeps the thresholds and what share of these impostors reaches a score, under method
 * and kind, in place of an older one. Of more than 20 million pairs so many are taken at
 * random. options NULL: the defaults. EINVAL: null argument, no impostor, NaN or Inf, a kind or
 * method that is no name. EMODEL: another width. ECANCELLED. EIO, EFORMAT, ENOMEM. */
CAFACE_API caface_status caface_gallery_calibrate(caface_gallery *gallery,
                                                  const caface_gallery_probes *probes,
                                                  const caface_gallery_calibrate_options *options,
                                                  caface_error *err);

/* One calibration, in memory. Immutable: any thread. */
typedef struct caface_gallery_calibration caface_gallery_calibration;

/* The calibration that suits probes of a method and model (hash, or NULL) and so many faces each:
 * of several kinds that whose number of faces is nearest, and the gallery's against itself
 * where there is no other. kind: that one alone; NULL: any. *out is the caller's, to
 * caface_gallery_calibration_free; NULL when there is none, which is no error. */
CAFACE_API caface_status caface_gallery_calibration_find(caface_gallery_calibration **out,
                                                         caface_gallery *gallery, const char *kind,
                                                         const char *method, const char *model,
                                                         double faces, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_gallery_calibration_free(caface_gallery_calibration *calibration);

/* Grows at its end. */
typedef struct caface_gallery_calibration_info {
    const char *kind, *method, *model; /* the calibration's own; model "" without one */
    int64_t made;                      /* seconds since 1970 */
    size_t people, probes, pairs;      /* of different people */
    double faces;                      /* the median of a probe's; NaN: nobody told */
    size_t found;                      /* probes whose person is in the gallery and was the first */
    double evidence; /* that 95 of 100 of these have: below it, "cannot tell"; NaN: fewer than 20 of
                      * these, or the method gives none */
} caface_gallery_calibration_info;
static inline void
caface_gallery_calibration_get_info(const caface_gallery_calibration *calibration,
                                    caface_gallery_calibration_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API void
caface_gallery_calibration_get_info_sized(const caface_gallery_calibration *calibration,
                                          caface_gallery_calibration_info *info, size_t size);

/* The threshold at caface_gallery_far(which): the least score from which at most that share of the
 * impostors is accepted, with its 95 % interval (NaN: none). Returns 0 where fewer than ten
 * impostors make it, too few to rely on; else 1. */
CAFACE_API int caface_gallery_calibration_threshold(const caface_gallery_calibration *calibration,
                                                    size_t which, double *threshold, double *low,
                                                    double *high);
/* The share of impostors that reach a score; 0: none of the pairs did. */
CAFACE_API double caface_gallery_calibration_far(const caface_gallery_calibration *calibration,
                                                 double score);

/* A calibration as a JSON file, with all that is in it, to the bit: for another copy of the
 * gallery, or to look at. EINVAL: null argument. EIO, ENOMEM. */
CAFACE_API caface_status caface_gallery_calibration_save(
    const caface_gallery_calibration *calibration, const char *path, caface_error *err);
/* Reads it again: *out is the caller's, to caface_gallery_calibration_free; NULL on failure. EIO.
 * EFORMAT: no calibration, or a damaged one. EINVAL: a kind or method that is no name. ELIMIT,
 * ENOMEM. */
CAFACE_API caface_status caface_gallery_calibration_load(caface_gallery_calibration **out,
                                                         const char *path, caface_error *err);
/* Keeps a calibration that was loaded, or is another gallery's, in place of one of the same method
 * and kind. That its people and pictures are like this gallery's is the caller's to know. A change,
 * as those above. EINVAL: null argument. EIO, ENOMEM. */
CAFACE_API caface_status caface_gallery_keep_calibration(
    caface_gallery *gallery, const caface_gallery_calibration *calibration, caface_error *err);

/* Every calibration, by method and kind; borrowed for the call. 0 ends it. */
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
