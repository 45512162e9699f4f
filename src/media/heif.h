/* HEIF files (AVIF, HEIC): which coded pictures make up the one that is shown, and what is to be
 * done with them. Bytes alone: a decoder is not needed here. Sources: ISO/IEC 23008-12 (items,
 * grids, properties), ISO/IEC 14496-12 (boxes), the AV1 image file format. */
#ifndef CAFI_MEDIA_HEIF_H
#define CAFI_MEDIA_HEIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cafi_span {
    const unsigned char *at; /* NULL: there is none */
    size_t size;
} cafi_span;

/* Items, pictures of a grid, properties, and those of one item, that are looked at: so reading is
 * bounded, whatever a file says. */
#define CAFI_HEIF_MAX_ITEMS 16384
#define CAFI_HEIF_MAX_TILES 4096
#define CAFI_HEIF_MAX_PROPERTIES 1024
#define CAFI_HEIF_MAX_OWN 64
#define CAFI_HEIF_MAX_TURNS 8

/* A step of showing a picture, in the order in which they are done. */
typedef struct cafi_heif_turn {
    char kind[4]; /* "clap", "irot", "imir" */
    unsigned
        value; /* irot: quarter turns anticlockwise; imir: 0 top for bottom, 1 left for right */
    uint32_t clap[8]; /* width, height, horizontal and vertical offset, each N / D */
} cafi_heif_turn;

typedef struct cafi_heif_item {
    uint32_t id;
    char kind[5];      /* "hvc1", "av01", "grid", ... */
    cafi_span config;  /* hvcC or av1C */
    cafi_span profile; /* ICC */
    bool has_colours;  /* nclx: */
    unsigned matrix;   /*   as ISO/IEC 23091-2 numbers it */
    bool full_range;
    cafi_heif_turn turns[CAFI_HEIF_MAX_TURNS];
    size_t turn_count;
    bool is_alpha; /* a picture's transparency */
    char needs[5]; /* a property that is essential and unknown; or "" */
} cafi_heif_item;

typedef struct cafi_heif {
    const unsigned char *bytes; /* borrowed */
    size_t size;
    cafi_span places, kinds, refs, properties, belongs, inside; /* iloc iinf iref ipco ipma idat */
    uint32_t shown;                                             /* the primary item */
} cafi_heif;

/* How a grid is laid out. */
typedef struct cafi_heif_grid {
    size_t rows, columns, width, height;
} cafi_heif_grid;

/* Looks for the boxes of a picture. False: the file has no item to show (a video, damaged). */
bool cafi_heif_find(cafi_heif *out, const unsigned char *bytes, size_t size);
/* An item's kind and properties. EFORMAT. */
caface_status cafi_heif_describe(const cafi_heif *h, uint32_t id, cafi_heif_item *out,
                                 caface_error *err);
/* An item's bytes, put together, the caller's to free, with `room` bytes of zeros behind. EFORMAT,
 * EUNSUPPORTED, ENOMEM. Not more than the file has. */
caface_status cafi_heif_read(const cafi_heif *h, uint32_t id, size_t room, unsigned char **out,
                             size_t *size, caface_error *err);
/* The items that an item refers to in a way ("dimg": the pictures of a grid, in order), or, with
 * `back`, those that refer to it so ("auxl": what belongs to a picture). At most `most` are
 * written; returns how many there are. */
size_t cafi_heif_refs(const cafi_heif *h, uint32_t id, const char *kind, bool back, uint32_t *out,
                      size_t most);
/* A grid's head, from the bytes of its item. EFORMAT. */
caface_status cafi_heif_grid_read(cafi_heif_grid *out, const unsigned char *bytes, size_t size,
                                  caface_error *err);

#endif
