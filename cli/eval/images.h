/* The pictures of a protocol, aligned and encoded into a feature set that is kept
 * for the next time. A build without the part for pictures has the same
 * functions; the first says so. */
#ifndef CAFACE_CLI_EVAL_IMAGES_H
#define CAFACE_CLI_EVAL_IMAGES_H

#include "base/threads.h"
#include "caface/model.h"
#include "cli/command.h"
#include "files/json.h"

/* How --images and its companions were given. */
typedef struct eval_images_options {
    const char *images, *landmarks, *cache;
    const char *precision;
    bool flip;
} eval_images_options;

typedef struct eval_images eval_images;

/* CLI_OK, or CLI_USAGE with the sentence printed: values that no file would make right. */
int eval_images_usage(const char *command, const eval_images_options *options);
/* Opens the encoder: the first of the models with a backbone, *backbone is its
 * place. options and common are borrowed. EUNSUPPORTED: no part for pictures. */
caface_status eval_images_open(eval_images **out, const eval_images_options *options,
                               const cli_list *models, const cli_common *common, size_t *backbone,
                               caface_error *err);
void eval_images_free(eval_images *images);

/* Does the fusion model take what the encoder gives? EMODEL names all sizes. */
caface_status eval_images_check(const eval_images *images, const caface_model *fusion,
                                caface_error *err);

/* Encodes what the feature set lacks. landmarks and templates are the lists of
 * faces/landmark_list.h. ECANCELLED: interrupted; what is done is kept.
 * EMODEL: --cache names a set of another model. */
caface_status eval_images_encode(eval_images *images, const char *landmarks, const char *templates,
                                 cafi_pool *pool, caface_error *err);

/* After encode. The feature set; borrowed. */
/* The detectors' scores of the rows that such lists name: the last number of a line, NaN where
 * there is none; *out [rows] is the caller's, to free. Errors are those of the lists. */
caface_status eval_listed_scores(float **out, size_t *rows, const char *landmarks,
                                 const char *templates, caface_error *err);
const char *eval_images_set(const eval_images *images);
size_t eval_images_failed(const eval_images *images);
/* A line for the table's foot, and members of the JSON object. */
void eval_images_text(const eval_images *images, cafi_buf *out);
void eval_images_json(const eval_images *images, cafi_json *json);

#endif
