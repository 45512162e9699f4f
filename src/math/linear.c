#include "math/linear.h"

#include "math/rows.h"

/* J, padded to whole panels. */
static size_t padded(size_t J)
{
    return (J + CAFI_NARROW_PANEL - 1) / CAFI_NARROW_PANEL * CAFI_NARROW_PANEL;
}

/* Columns of the panel that begins at column j. */
/* Floats of a cache line. */
#define LINE 16

static size_t panel_width(size_t J, size_t j)
{
    return J - j >= CAFI_PANEL ? CAFI_PANEL : CAFI_NARROW_PANEL;
}

size_t cafi_packed_size(size_t K, size_t J)
{
    return padded(J) * (K + 1);
}

cafi_packed cafi_pack_linear(float *to, const float *w, const float *b, size_t K, size_t J)
{
    float *bias = to + padded(J) * K;
    size_t width = 0;

    for (size_t first = 0; first < J; first += width) {
        float *panel = to + first * K;

        width = panel_width(J, first);
        for (size_t at = 0; at < K; at += LINE) /* whole cache lines of w, one after the other */
            for (size_t i = 0; i < width; i++)
                for (size_t k = at; k < K && k < at + LINE; k++)
                    panel[k * width + i] = first + i < J ? w[(first + i) * K + k] : 0.0f;
    }
    for (size_t j = 0; j < padded(J); j++)
        bias[j] = b && j < J ? b[j] : 0.0f;
    return (cafi_packed){.K = K, .J = J, .w = to, .b = bias};
}

/* One row of x against one panel. */
static void row_panel(float *sum, const float *x, const float *w, const float *b, size_t K,
                      size_t width)
{
    for (size_t i = 0; i < width; i++)
        sum[i] = b[i];
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < width; i++)
            sum[i] += x[k] * w[k * width + i];
}

void cafi_linear_packed_plain(float *y, size_t ldy, const float *x, size_t ldx, size_t R,
                              const cafi_packed *w, cafi_epilogue epilogue)
{
    size_t width = 0;

    for (size_t j = 0; j < w->J; j += width) {
        size_t columns = 0;

        width = panel_width(w->J, j);
        columns = w->J - j < width ? w->J - j : width;
        for (size_t r = 0; r < R; r++) {
            float sum[CAFI_PANEL];
            float *to = y + r * ldy + j;

            row_panel(sum, x + r * ldx, w->w + j * w->K, w->b + j, w->K, width);
            if (epilogue == CAFI_GELU)
                cafi_gelu_plain(sum, sum, columns);
            for (size_t i = 0; i < columns; i++)
                to[i] = epilogue == CAFI_ADD ? to[i] + sum[i] : sum[i];
        }
    }
}
