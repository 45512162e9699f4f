/* caface/search.h - exact search: the templates nearest to a query.
 *
 *     caface_index *index;
 *     caface_index_new(&index, templates, n, C, NULL, &err);
 *     caface_index_search(index, probes, count, 10, NULL, row, score, NULL, &err);
 *     caface_index_free(index);
 *
 * The score is the inner product, which is the cosine for templates of length 1. The result is
 * exact: rows are first compared by codes, which may be shorter numbers. Each code has a bound on
 * its error, and every row that may be among the best within that bound is compared again with its
 * full numbers. So the results are the same, bit for bit, for every type of codes, number of
 * threads, processor, and number of queries in one call. */
#ifndef CAFACE_SEARCH_H
#define CAFACE_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_index caface_index;

/* How the numbers of a row are stored: in 4, 2 or 1 bytes. */
typedef enum caface_index_type {
    CAFACE_INDEX_F32,
    CAFACE_INDEX_F16,  /* IEEE 754 half precision */
    CAFACE_INDEX_INT8, /* for codes only; every row has its own scale */
    CAFACE_INDEX_AUTO  /* for options only: choose the fastest codes, which are int8 for more than
                          CAFACE_INDEX_MANY rows, else the rows themselves */
} caface_index_type;

/* "f32", "f16", "int8" or "auto"; NULL for any other number. Static. */
CAFACE_API const char *caface_index_type_name(caface_index_type type);
/* The type with this name. EINVAL: an unknown name. */
CAFACE_API caface_status caface_index_type_parse(caface_index_type *out, const char *name,
                                                 caface_error *err);

/* Limits of an index: rows have numbers of 32 bits, and the sums of int8 codes must fit into 32
 * bits. */
#define CAFACE_INDEX_MOST_ROWS UINT32_MAX
#define CAFACE_INDEX_MOST_C 65536
/* From this many rows on, int8 codes are faster. */
#define CAFACE_INDEX_MANY 10000
/* Rows shorter than the first or longer than the second are never found. */
#define CAFACE_INDEX_SHORTEST 1e-4
#define CAFACE_INDEX_LONGEST 1e4

/* Filled by caface_index_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_index_options {
    size_t size;            /* of this struct, set by init */
    caface_index_type rows; /* number type of the rows: f32 or f16. Default f32 */
    caface_index_type
        codes; /* number type of the codes: f32, f16 or int8. Every query reads all codes, so they
                  should fit into memory: C numbers and 12 bytes per row. When this type is as wide
                  as the rows or wider, the rows serve as codes. Default auto */
    size_t threads; /* threads of a search; 0: one per core. Default 0 */
} caface_index_options;

static inline void caface_index_options_init(caface_index_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_index_options_init_sized(caface_index_options *options, size_t size);

/* Makes an index of n rows: reads them once and makes their codes.
 *   rows  [n][C] of options->rows, borrowed: they must not change or be freed while the index
 *         exists. They may be a mapped file: for a query a search reads only some hundreds of them
 * n may be 0. Rows with NaN or Inf, rows longer than CAFACE_INDEX_LONGEST and rows shorter than
 * CAFACE_INDEX_SHORTEST are counted, and never found. The caller frees *out with caface_index_free.
 * options NULL: the defaults. EINVAL: null arguments, C is 0. ELIMIT: n or C beyond the limits
 * above. EUNSUPPORTED: an option of a later version. ENOMEM. */
CAFACE_API caface_status caface_index_new(caface_index **out, const void *rows, size_t n, size_t C,
                                          const caface_index_options *options, caface_error *err);
/* NULL is allowed. No search may be running. */
CAFACE_API void caface_index_free(caface_index *index);

/* Later versions add members at the end. */
typedef struct caface_index_info {
    size_t size; /* of this struct, set by the caller */
    size_t n, C;
    caface_index_type rows, codes;
    size_t invalid; /* rows with NaN or Inf, or too long: never found */
    size_t empty;   /* rows of zeros: never found */
    size_t bytes;   /* size of the codes, which every query reads */
} caface_index_info;
static inline void caface_index_get_info(const caface_index *index, caface_index_info *info);
CAFACE_API void caface_index_get_info_sized(const caface_index *index, caface_index_info *info,
                                            size_t size);

/* Row i as floats [C]. EINVAL: i is too large. Any thread. */
CAFACE_API caface_status caface_index_row(const caface_index *index, size_t i, float *out,
                                          caface_error *err);

/* Filled by caface_search_options_init. Later versions add members at the end. */
typedef struct caface_search_options {
    size_t size;     /* of this struct, set by init */
    float threshold; /* rows with a lower score are not found, so a person who is not in the index
                        finds nobody. Default minus infinity */
} caface_search_options;

static inline void caface_search_options_init(caface_search_options *options);
CAFACE_API void caface_search_options_init_sized(caface_search_options *options, size_t size);

/* Finds the k best rows for each of Q queries, best first; rows with equal scores are in their own
 * order.
 *   queries  f32 [Q][C]
 *   row      [Q][k], written: the number of the row; -1 when fewer than k were found
 *   score    f32 [Q][k], written: its score, computed in double; -infinity beside -1
 *   found    [Q], written, or NULL: how many rows were found
 * A query shorter than CAFACE_INDEX_SHORTEST finds no row. options NULL: the defaults. Any number
 * of threads may search at the same time. EINVAL: null arguments, k is 0, a query with NaN or Inf
 * or too long (the message names it), a threshold of NaN. EUNSUPPORTED: an option of a later
 * version. ENOMEM. After an error the contents of row, score and found are undefined. */
CAFACE_API caface_status caface_index_search(caface_index *index, const float *queries, size_t Q,
                                             size_t k, const caface_search_options *options,
                                             int64_t *row, float *score, size_t *found,
                                             caface_error *err);

static inline void caface_index_options_init(caface_index_options *options)
{
    caface_index_options_init_sized(options, sizeof *options);
}

static inline void caface_index_get_info(const caface_index *index, caface_index_info *info)
{
    caface_index_get_info_sized(index, info, sizeof *info);
}

static inline void caface_search_options_init(caface_search_options *options)
{
    caface_search_options_init_sized(options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
