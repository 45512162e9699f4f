/* Ways to fuse, by name: the one grammar of methods in the library and the tool.
 *
 *     unit | average | media | norm | norm:POWER | caface | caface@CHUNK | restore | restore@CHUNK
 *
 * Behind a simple method, +score: every face's part is multiplied by its detector's score.
 *
 * A network is a method that needs a model and styles, works on chunks and weighs faces:
 * caface, and whatever family of models stands beside it. */
#ifndef CAFI_FUSION_METHOD_H
#define CAFI_FUSION_METHOD_H

#include <stdbool.h>

#include "caface/set.h"

/* Powers of norm lie in -CAFI_MAX_POWER .. CAFI_MAX_POWER. */
#define CAFI_MAX_POWER 100

/* Faces of a chunk where nobody says how many. */
#define CAFI_DEFAULT_CHUNK 512

/* Does the method need a model and styles, and take a chunk size? */
bool cafi_method_is_network(caface_method method);

typedef struct cafi_way {
    caface_method method;
    double power; /* of norm */
    size_t chunk; /* of a network; 0: all at once */
    bool scored;  /* +score */
} cafi_way;

/* What a text says of a way; the rest is the caller's default. */
typedef struct cafi_way_said {
    bool power, chunk;
} cafi_way_said;

/* Reads text, `size` bytes. Power and chunk stay as they are where it does not give
 * them; said may be NULL. EINVAL: an unknown method (lists the known ones), a number out
 * of its range, a tail that the method does not take, +score where said is NULL: the caller
 * has none; *way is as it was. */
caface_status cafi_way_parse(cafi_way *way, cafi_way_said *said, const char *text, size_t size,
                             caface_error *err);

/* Writes a way as cafi_way_parse reads it, "norm:7", "caface@512"; norm of power 1 is
 * "norm". Returns text. */
#define CAFI_WAY_TEXT CAFACE_METHOD_TEXT
char *cafi_way_text(const cafi_way *way, char text[CAFI_WAY_TEXT]);

/* Equal ways: of the numbers only those that the method takes. */
bool cafi_way_equal(const cafi_way *a, const cafi_way *b);

#endif
