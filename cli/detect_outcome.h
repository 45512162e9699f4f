/* What `caface detect` found in one picture, and how it is told. */
#ifndef CLI_DETECT_OUTCOME_H
#define CLI_DETECT_OUTCOME_H

#include "caface/encoder.h"
#include "faces/choose.h"
#include "faces/quality.h"
#include "files/json.h"
#include "media/image.h"

/* What became of one picture; kept until the ones before it are reported. */
typedef struct detect_outcome {
    bool done;
    cafi_faces faces;
    cafi_quality *quality; /* [faces.count] */
    size_t refused;
    size_t width, height;
    char *failure; /* or NULL */
} detect_outcome;

/* How good each face is, into result->quality; those that do not pass the gate leave the list.
 * One whose landmarks are in one place has no crop, and is told by its box alone. network: of
 * quality, or NULL. */
caface_status detect_judge(detect_outcome *result, const cafi_view *picture,
                           caface_encoder *network, const cafi_quality_gate *gate,
                           caface_error *err);
/* Of a picture's faces the one that is asked for; nobody where no face has a face's landmarks. */
void detect_choose(detect_outcome *result, cafi_face_rule rule);

/* To stdout; as an object of an array. */
void detect_print(const char *path, const detect_outcome *result);
void detect_json(cafi_json *json, const char *path, const detect_outcome *result);
/* Draws the faces into the picture and writes it as FOLDER/NUMBER-NAME.png; the number, index +
 * 1, keeps pictures of one name apart. EIO, ENOMEM. */
caface_status detect_draw(const char *folder, size_t index, const char *path,
                          const cafi_image *image, const cafi_faces *faces, caface_error *err);

#endif
