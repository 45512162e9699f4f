/* Rows of SQL on their way into a face set; what both extensions share.
 *
 * A database hands over one row at a time. A network is fastest with many together, so rows
 * wait until there are CAFX_ROWS of them; and a group of fewer never has a set of its own
 * before its end: 10^5 small groups side by side are their rows and nothing else. They wait as
 * they came, so that f16 takes half the memory. When rows are pushed changes no bit of a result
 * (caface/set.h). */
#ifndef CAFX_ROWS_H
#define CAFX_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include <caface/set.h>

/* Rows that wait for each other at most. */
#define CAFX_ROWS 32 /* of 64, a set of its own began with fresh memory for each group */

/* Faces of a chunk in SQL at most: what a statement cannot be interrupted in. */
#define CAFX_MOST_CHUNK 4096

/* Numbers as a database holds them. */
typedef struct cafx_numbers {
    const void *bytes; /* little-endian; of any alignment */
    size_t size;
    bool is_blob; /* f32 or f16, told apart by the width; else f32 in the machine's own order */
} cafx_numbers;

/* Reads exactly width numbers into out [width]. What ("feature", "style") begins the
 * sentence. EINVAL: another size (names both); NaN or Inf. */
caface_status cafx_read(float *out, size_t width, const cafx_numbers *numbers, const char *what,
                        caface_error *err);

/* Are they width numbers, all finite? Another size is an error, as above. */
caface_status cafx_is_finite(bool *finite, size_t width, const cafx_numbers *numbers,
                             const char *what, caface_error *err);

/* f32 to IEEE half, to nearest, ties to even; out [n][2] bytes, little-endian. False: a number is
 * beyond what a half holds, or NaN. */
bool cafx_to_half(unsigned char *out, const float *in, size_t n);

/* From the machine's own order to little-endian, where they are. */
void cafx_to_little(float *values, size_t n);

/* The database's memory: old (or NULL) with room for size bytes; NULL, or no return, when there
 * is none. */
typedef void *(*cafx_resize)(void *context, void *old, size_t size);

/* Where the rows of one group at a time become f32; many groups share one. Zero-initialise; both
 * arrays are the owner's to give back. */
typedef struct cafx_work {
    float *feat, *style;
    size_t feat_size, style_size; /* bytes */
} cafx_work;

/* What a group takes memory by. */
typedef struct cafx_memory {
    cafx_resize resize;
    void *context; /* of resize, for the group's own rows */
    cafx_work *work;
    void *work_context; /* the same, for work */
} cafx_memory;

/* Rows that wait: [room][width] numbers of size bytes each, 2 (f16, little-endian) or 4 (f32). */
typedef struct cafx_waiting {
    unsigned char *rows;
    size_t width, size;
} cafx_waiting;

/* A group of rows. Zero-initialise, then cafx_begin. */
typedef struct cafx_group {
    const caface_model *model; /* NULL for a simple method */
    caface_set_options options;
    caface_set *set;          /* the group's, to caface_set_free; NULL until rows were pushed */
    cafx_waiting feat, style; /* the database's memory; style.width is 0 for a simple method */
    size_t waiting, room;
    bool is_lent; /* the caller lent both rows, for CAFX_ROWS of f32: they never grow */
    cafx_memory memory;
    bool mixes; /* cafx_merge */
} cafx_group;

/* A group by options, whose width must be given; of model for a network. EINVAL: as
 * caface_set_new. */
caface_status cafx_begin(cafx_group *group, const caface_model *model,
                         const caface_set_options *options, const cafx_memory *memory,
                         caface_error *err);
/* Adds a face; style is looked at by a network alone. EINVAL names the face by its number in
 * the group. On an error the group is as it was. ENOMEM. */
caface_status cafx_add(cafx_group *group, const cafx_numbers *feature, const cafx_numbers *style,
                       caface_error *err);
/* Faces so far. */
size_t cafx_count(const cafx_group *group);
/* Pushes what waits; the group has a set afterwards. */
caface_status cafx_push(cafx_group *group, caface_error *err);
/* The faces of a group in a set. is_own: the set is new, the caller's to caface_set_free, and the
 * group is as it was; else it is the group's. A group that never pushed gets no set by this. */
caface_status cafx_set_of(cafx_group *group, caface_set **set, bool *is_own, caface_error *err);
/* Adds the faces of a set, which stays as it is. group->mixes: they were encoded in another way
 * than those that are there, which the caller says. */
caface_status cafx_merge(cafx_group *group, const caface_set *from, caface_error *err);

/* Are faces of several encodings in it (caface_set_options.encoding)? */
bool cafx_is_mixed(const caface_set *set);

/* What a state is by, for one that was loaded: the group goes on from set, which becomes its
 * own. */
void cafx_adopt(cafx_group *group, const caface_model *model, caface_set *set,
                const cafx_memory *memory);

#endif
