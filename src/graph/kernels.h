/* Our own passes over maps, for what oneDNN has no fast kernel for.
 *
 * A map of C channels and P positions is stored as groups of `lanes` channels:
 * element (n, c, p) is at ((n groups + c / lanes) P + p) lanes + c % lanes. So
 * lanes 1 is N,C,H,W, lanes C is N,H,W,C, and lanes 8 and 16 are oneDNN's
 * blocked layouts, whose last group may be padded with zeros. */
#ifndef CAFI_GRAPH_KERNELS_H
#define CAFI_GRAPH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "graph/ir.h"

typedef enum cafi_elem { CAFI_ELEM_F32, CAFI_ELEM_BF16, CAFI_ELEM_S8 } cafi_elem;
size_t cafi_elem_size(cafi_elem elem);

/* What a border position adds to a convolution's output, by the class of its
 * row and of its column; class 0 of both is the interior and adds nothing. */
typedef struct cafi_border {
    size_t height, width;
    size_t row_classes, column_classes;
    size_t padded;               /* channels in whole groups */
    unsigned char *row_class;    /* [height] */
    unsigned char *column_class; /* [width] */
    float *values;               /* [row_classes][column_classes][padded channels] */
} cafi_border;

/* y = act(scale x + shift + border), element by element; y may be x. Parameters
 * are per channel, padded to whole groups with zeros, or NULL. To S8 values are
 * multiplied by inverse_quanta first, rounded to even and clipped to +-127. */
typedef struct cafi_pass_args {
    const void *x;
    void *y;
    cafi_elem from, to;
    size_t rows, groups, positions, lanes;
    const float *scale, *shift, *slope;
    const cafi_border *border;
    cafi_act act;
    float lo, hi;
    const float *inverse_quanta;
} cafi_pass_args;

/* c = a op b. b is a map of the same size, or one number a channel of a row
 * (broadcast). f32 or bf16, all alike; c may be a or b. */
typedef struct cafi_binary_args {
    const void *a, *b;
    void *c;
    cafi_elem elem;
    cafi_op op;
    bool broadcast;
    size_t rows, groups, positions, lanes;
} cafi_binary_args;

/* Pooling of a map in any layout, f32 or bf16; with slopes, of the PReLU of the map. */
typedef struct cafi_pool_args {
    const void *x;
    void *y;
    cafi_elem elem;
    const cafi_window *window;
    bool max;
    const float *slope; /* by channel in whole groups, or NULL */
    size_t rows, groups, lanes, height, width, out_height, out_width;
    size_t first, last; /* rows of the output */
} cafi_pool_args;

/* Weights of a 3x3 convolution into Winograd's F(4x4, 3x3) and its layout, with
 * the points that oneDNN's avx512_core code transforms maps by. */
#define CAFI_WINOGRAD_LANES 16
typedef struct cafi_winograd_args {
    const float *weights;         /* [out_channels][in_channels][3][3] */
    float *packed;                /* [..][6][6][..][out_run][in_run][in_block][LANES] */
    size_t out_channels, out_run; /* a run of blocks of LANES; all divide what is around them */
    size_t in_channels, in_run, in_block;
} cafi_winograd_args;

typedef struct cafi_graph_kernels {
    /* Groups [first, last) of every row. */
    void (*pass)(const cafi_pass_args *args, size_t first, size_t last);
    void (*binary)(const cafi_binary_args *args);
    /* out f32 [rows][channels][2]: mean and unbiased std over positions, taken in double. */
    void (*style)(const void *x, cafi_elem elem, size_t rows, size_t channels, size_t positions,
                  size_t lanes, float *out);
    /* y (same lanes, one position, same type) = mean over positions. */
    void (*mean)(const void *x, void *y, cafi_elem elem, size_t rows, size_t groups,
                 size_t positions, size_t lanes);
    void (*winograd)(const cafi_winograd_args *args);
} cafi_graph_kernels;

/* The set for this processor (base/cpu.h). Any thread. */
const cafi_graph_kernels *cafi_graph_kernels_get(void);

/* A map into another layout or type (F32 and BF16). No overlap. */
typedef struct cafi_reorder_args {
    const void *x;
    void *y;
    cafi_elem from, to;
    size_t from_lanes, to_lanes;
    size_t rows, channels, positions;
} cafi_reorder_args;

/* Where the outputs of one axis come from: between low and high, by part. */
typedef struct cafi_resize_axis {
    const uint32_t *low, *high;
    const float *part;
} cafi_resize_axis;

/* Resizing of f32 maps in any layout, bilinear or (low alone) nearest. */
typedef struct cafi_resize_args {
    const float *x;
    float *y;
    bool linear;
    size_t planes, lanes, height, width, out_height, out_width;
    size_t first, last; /* rows of the output */
    cafi_resize_axis rows, columns;
} cafi_resize_args;

/* y, row by row, = x[offset + sum of index times step]: transposes and slices. */
typedef struct cafi_move_args {
    const float *x;
    float *y;
    int ndim; /* at least 1 */
    size_t extent[CAFI_MAX_DIMS];
    ptrdiff_t step[CAFI_MAX_DIMS]; /* in elements */
    size_t offset;
} cafi_move_args;

typedef struct cafi_map_kernels {
    void (*pool)(const cafi_pool_args *args);
    void (*resize)(const cafi_resize_args *args);
    void (*reorder)(const cafi_reorder_args *args);
    void (*move)(const cafi_move_args *args);
    /* n pixels of three bytes to three planes: (byte - mean) * scale. */
    void (*pixels)(const uint8_t *rgb, size_t n, const float *mean, float scale, float *const *out);
    /* The same to n pixels of three numbers, in reverse order with bgr; mean is in that of out. */
    void (*pixels_last)(const uint8_t *rgb, size_t n, bool bgr, const float *mean, float scale,
                        float *out);
    /* `count` pictures of n pixels, one behind the other, to three planes as pixels does, whose
     * rows lie side by side: `step` numbers from one pixel to the next, one of each picture first.
     */
    void (*pixels_side)(const uint8_t *pictures, size_t n, size_t count, size_t step,
                        const float *mean, float scale, float *const *out);
} cafi_map_kernels;

/* As cafi_graph_kernels_get. */
const cafi_map_kernels *cafi_map_kernels_get(void);

extern const cafi_map_kernels cafi_map_kernels_plain;
#if defined(__x86_64__)
extern const cafi_map_kernels cafi_map_kernels_avx2, cafi_map_kernels_avx512;
#elif defined(__aarch64__)
extern const cafi_map_kernels cafi_map_kernels_neon;
#endif

extern const cafi_graph_kernels cafi_graph_kernels_plain;
#if defined(__x86_64__)
extern const cafi_graph_kernels cafi_graph_kernels_avx2, cafi_graph_kernels_avx512;
#elif defined(__aarch64__)
extern const cafi_graph_kernels cafi_graph_kernels_neon;
#endif

#endif
