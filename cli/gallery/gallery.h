/* What the commands of `caface gallery` share. */
#ifndef CAFACE_CLI_GALLERY_GALLERY_H
#define CAFACE_CLI_GALLERY_GALLERY_H

#include "caface/features.h"
#include "caface/gallery.h"
#include "cli/command.h"
#include "cli/fusion_model.h"
#include "files/json.h"

/* Cosine from which two are the same where nobody calibrated: that of `caface compare`. */
#define CLI_GALLERY_THRESHOLD 0.35
/* Below this cosine to the others a picture is told of: the one at which two faces are two people
 * for the tracker. */
#define CLI_GALLERY_UNLIKE 0.15

#define CLI_GALLERY_MODEL(type, member, text)                                                      \
    {                                                                                              \
        "model", 'm', CLI_LIST, offsetof(type, member), "M", text, 0, 0                            \
    }

/* An open gallery, and the fusion models that were named. */
typedef struct cli_gallery {
    caface_gallery *gallery;
    char *shown;              /* the place as it may be shown */
    caface_gallery_info info; /* as it was when it was opened */
    cli_fusions fusions;
} cli_gallery;

/* The place as it may be shown: an address without its password. The caller's to free; NULL: no
 * memory. */
char *cli_gallery_shown(const char *place);
/* The word of --method, or NULL: CLI_OK, or CLI_USAGE with the sentence printed: an unknown
 * method, a number that is none, media, a network where no --model could hold it. */
int cli_gallery_method_check(const char *command, const char *word, const cli_list *models);

/* Opens the models and, with the one of its method, the gallery. models NULL: none. */
caface_status cli_gallery_open(cli_gallery *out, const char *path, const cli_list *models,
                               bool writable, caface_error *err);
void cli_gallery_close(cli_gallery *g);

/* "restore@512", "norm:7"; without a chunk where the model is a sum. */
void cli_gallery_way(const caface_gallery_info *info, char text[CAFACE_METHOD_TEXT]);

/* Who is added, merged and removed shows up here as JSON and as lines. */
void cli_gallery_json_identity(cafi_json *json, const caface_gallery_info *info);
/* Seconds since 1970 as "2026-11-27 00:28:10", UTC. */
void cli_gallery_time(int64_t seconds, char text[32]);

/* Tells who of these people (names [n], all in the gallery) looks like somebody else there: at
 * or above threshold. Appends an array "alike" to json, or warns where json is NULL. */
caface_status cli_gallery_tell_alike(cli_gallery *g, const char *const *names, size_t n,
                                     double threshold, cafi_json *json, caface_error *err);

/* Rows of a feature set by person. */
typedef struct cli_gallery_rows {
    caface_features *set;
    caface_features_info info; /* of the set */
    const char *path;          /* borrowed */
    caface_groups *groups;     /* ids are numbers of names */
    const char **names;        /* [groups], the set's own, or the one that was given */
    size_t unnamed;            /* rows without a name: in no group */
} cli_gallery_rows;

/* Opens a set and groups its rows: all of one name, or by a column (NULL: label, else
 * template). EINVAL: no such column, no row with a name. */
caface_status cli_gallery_rows_open(cli_gallery_rows *out, const char *path, const char *name,
                                    const char *column, caface_error *err);
void cli_gallery_rows_close(cli_gallery_rows *rows);

#endif
