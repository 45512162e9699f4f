/* The pictures a command was given: folders, lists and single files, in an
 * order that depends on names alone.
 *
 * A folder is walked depth first, its entries sorted by byte value; what is no
 * picture by its name (or, without a suffix, by its first bytes) is passed over
 * and counted, what begins with a dot is passed over. A
 * picture's label is the name of its folder: the path below the folder that was
 * given ("0001" in DIR/0001/a.jpg), or that folder's own name for pictures
 * right inside. A LIST.txt has one path a line, relative to the list's folder,
 * with a label behind a tab if wanted (a pipe is taken for
 * such a list, its paths relative to the current folder); empty lines and lines that begin with #
 * are passed over. A LIST.lst is that of a record set, or InsightFace's train.lst, whose classes
 * are the labels; boxes and landmarks in it count for nothing. Single files have no label.
 *
 * Memory: some 100 bytes a picture. */
#ifndef CAFI_FACES_SOURCES_H
#define CAFI_FACES_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "media/image.h"

typedef struct cafi_sources cafi_sources;

typedef struct cafi_source {
    const char *path;
    const char *label;   /* "" when there is none */
    int64_t template_id; /* one number a label, counted from 0 in order of appearance */
} cafi_source;

caface_status cafi_sources_new(cafi_sources **out, caface_error *err);
void cafi_sources_free(cafi_sources *sources);

/* Does path name pictures, a folder or a list of them? Everything else is for FFmpeg: a file of
 * another kind, a device, an address, "-". What is not there is no picture either. */
bool cafi_sources_is_pictures(const char *path);

/* Adds what path names. EIO: it does not exist, or a folder below can't be
 * read; EFORMAT: a folder or list without pictures, a
 * list with a line that is no text; ELIMIT: folders nested deeper than CAFI_SOURCES_MAX_DEPTH, a
 * path longer than CAFI_SOURCES_MAX_PATH. */
#define CAFI_SOURCES_MAX_DEPTH 64
#define CAFI_SOURCES_MAX_PATH 8192
caface_status cafi_sources_add(cafi_sources *sources, const char *path, caface_error *err);

/* Adds all of them. Of several paths one that does not exist becomes a picture
 * that cannot be read, which ends nothing: whoever reads it counts it. */
caface_status cafi_sources_add_all(cafi_sources *sources, const char *const *paths, size_t count,
                                   caface_error *err);

/* Files of folders that were passed over, by suffix (".mp4"; "" for none or a
 * long one), in order of appearance. Returns the number of suffixes; *out is
 * borrowed. */
#define CAFI_SOURCES_MAX_KINDS 32
typedef struct cafi_passed_kind {
    char suffix[16];
    size_t count;
} cafi_passed_kind;
size_t cafi_sources_passed(const cafi_sources *sources, const cafi_passed_kind **out);

/* Adds other's counts to mine, both of CAFI_SOURCES_MAX_KINDS at most. */
void cafi_passed_add(cafi_passed_kind *mine, size_t *count, const cafi_passed_kind *other,
                     size_t other_count);

/* From now on pictures that are cut short or damaged are taken with what is there. */
void cafi_sources_allow_damaged(cafi_sources *sources);
/* Reads a picture, by that rule. Errors as cafi_image_read's. Any thread. */
caface_status cafi_sources_read(const cafi_sources *sources, size_t index, cafi_image *out,
                                caface_error *err);
/* The same from its bytes; the sentence has no path. */
caface_status cafi_sources_decode(const cafi_sources *sources, const void *bytes, size_t size,
                                  cafi_image *out, caface_error *err);

size_t cafi_sources_count(const cafi_sources *sources);
/* Borrowed; good until the next is added. */
cafi_source cafi_sources_at(const cafi_sources *sources, size_t index);
/* True when any picture has a label. */
bool cafi_sources_labelled(const cafi_sources *sources);

#endif
