/* caface/search.h - who of many: the templates nearest to a query, exactly.
 *
 *     caface_index *index;
 *     caface_index_new(&index, templates, n, C, NULL, &err);
 *     caface_index_search(index, probes, count, 10, NULL, row, score, NULL, &err);
 *     caface_index_free(index);
 *
 * The score is the inner product: the cosine of templates of length 1. What comes back is
 * the best of all rows, never an approximation: rows are compared by codes, which may be
 * smaller than they are, every code comes with a bound on what it leaves out, and each
 * row that could be among the best by that bound is compared again as it is. So results
 * are the same, bit for bit, for codes of any type, any number of threads, any processor
 * and any company of other queries. */
#ifndef CAFACE_SEARCH_H
#define CAFACE_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_index caface_index;

/* How a number of a row is held: 4, 2 or 1 bytes. */
typedef enum caface_index_type {
    CAFACE_INDEX_F32,
    CAFACE_INDEX_F16,  /* IEEE 754 half precision */
    CAFACE_INDEX_INT8, /* of codes only: a scale of its own for every row */
    CAFACE_INDEX_AUTO  /* of options only: the codes that search fastest; int8 of more than
                        * CAFACE_INDEX_MANY rows, else the rows themselves */
} caface_index_type;

/* "f32", "f16", "int8" or "auto"; NULL for any other number. Static. */
CAFACE_API const char *caface_index_type_name(caface_index_type type);
/* The type of a name. EINVAL: there is none. */
CAFACE_API caface_status caface_index_type_parse(caface_index_type *out, const char *name,
                                                 caface_error *err);

/* Rows are told apart by numbers of 32 bits, and int8 codes add up in them. */
#define CAFACE_INDEX_MOST_ROWS UINT32_MAX
#define CAFACE_INDEX_MOST_C 65536
/* Of more rows than these, what is found first by int8 codes is found sooner. */
#define CAFACE_INDEX_MANY 10000
/* A row shorter than the first is nothing, and is never found; one that is longer than
 * the second is no row. */
#define CAFACE_INDEX_SHORTEST 1e-4
#define CAFACE_INDEX_LONGEST 1e4

/* Filled by caface_index_options_init; then changed member by member. Grows at its end
 * (caface/version.h). */
typedef struct caface_index_options {
    size_t size;             /* of this struct, set by init */
    caface_index_type rows;  /* of the array that is given: f32 or f16. Default f32 */
    caface_index_type codes; /* what every query reads, so what has to be in memory: f32,
                              * f16 or int8, C numbers a row and 12 bytes. Where it is as
                              * wide as the rows, or wider, they are their own codes.
                              * Default auto */
    size_t threads;          /* of a search; 0: one for every core. Default 0 */
} caface_index_options;

static inline void caface_index_options_init(caface_index_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_index_options_init_sized(caface_index_options *options, size_t size);

/* An index of n rows, which reads them once and makes their codes.
 *   rows  [n][C] of options->rows, borrowed: alive and unchanged as long as the index is.
 *         They may be a mapping of a file: beside the codes, a search reads some hundreds
 *         of rows for a query
 * n may be 0. Rows that hold NaN or Inf, are longer than CAFACE_INDEX_LONGEST or shorter
 * than CAFACE_INDEX_SHORTEST are never found, and counted. *out is the caller's, to
 * caface_index_free. options NULL: the defaults. EINVAL: null arguments, C is 0. ELIMIT:
 * n or C beyond the limits above. EUNSUPPORTED: an option of a later version. ENOMEM. */
CAFACE_API caface_status caface_index_new(caface_index **out, const void *rows, size_t n, size_t C,
                                          const caface_index_options *options, caface_error *err);
/* NULL is allowed. No search may be under way. */
CAFACE_API void caface_index_free(caface_index *index);

/* Grows at its end. */
typedef struct caface_index_info {
    size_t size; /* of this struct, set by the caller */
    size_t n, C;
    caface_index_type rows, codes;
    size_t invalid; /* rows with NaN or Inf, or too long: never found */
    size_t empty;   /* rows of zeros: never found */
    size_t bytes;   /* of the codes: what every query reads */
} caface_index_info;
static inline void caface_index_get_info(const caface_index *index, caface_index_info *info);
CAFACE_API void caface_index_get_info_sized(const caface_index *index, caface_index_info *info,
                                            size_t size);

/* Row i as floats [C]. EINVAL: there is no such row. Any thread. */
CAFACE_API caface_status caface_index_row(const caface_index *index, size_t i, float *out,
                                          caface_error *err);

/* Filled by caface_search_options_init. Grows at its end. */
typedef struct caface_search_options {
    size_t size;     /* of this struct, set by init */
    float threshold; /* rows below it are not found: a query that nobody reaches is of
                      * nobody in the index. Default minus infinity */
} caface_search_options;

static inline void caface_search_options_init(caface_search_options *options);
CAFACE_API void caface_search_options_init_sized(caface_search_options *options, size_t size);

/* The k best rows for each of Q queries, best first; equal scores in the order of the rows.
 *   queries  f32 [Q][C]
 *   row      [Q][k], written: which row; -1 where fewer than k were found
 *   score    f32 [Q][k], written: its score, summed in double; -infinity beside -1
 *   found    [Q], written, or NULL: how many rows
 * A query shorter than CAFACE_INDEX_SHORTEST finds nobody. options NULL: the defaults.
 * Any number of threads may search at the same time. EINVAL: null arguments, k is 0, a
 * query that holds NaN or Inf or is too long (names it), a threshold that is NaN.
 * EUNSUPPORTED: an option of a later version. ENOMEM. On an error row, score and found
 * hold nothing useful. */
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
