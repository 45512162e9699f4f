/* The similarity plot: where every face of a set and every fused template
 * stand against a gallery template, and what each face weighed. */
#ifndef CAFI_PLOT_SIMILARITY_H
#define CAFI_PLOT_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plot/chart.h"

typedef struct cafi_similarity_star {
    const char *name;  /* of the method */
    double similarity; /* cosine of its template to the gallery template */
} cafi_similarity_star;

/* A face's picture, drawn over its dot where it hides no picture before it. */
typedef struct cafi_similarity_thumb {
    size_t face;        /* its number */
    const uint8_t *rgb; /* u8 [side][side][3] */
    size_t side;
} cafi_similarity_thumb;

/* What the faces are compared with, as a picture. */
typedef struct cafi_similarity_gallery {
    const uint8_t *rgb; /* u8 [side][side][3] */
    size_t side;
    const char *name;
} cafi_similarity_gallery;

/* Everything is borrowed for the call of cafi_similarity_save. */
typedef struct cafi_similarity cafi_similarity;
struct cafi_similarity {
    const char *title;       /* or NULL */
    const char *subtitle;    /* or NULL */
    const float *similarity; /* [count], cosine of every face */
    const float *weight;     /* [count], not negative, adding up to 1; NULL: all the same */
    size_t count;
    const cafi_similarity_star *stars;   /* the last one is drawn as the main one */
    size_t star_count;                   /* at most CAFI_SIMILARITY_MAX_STARS */
    const cafi_similarity_thumb *thumbs; /* [thumb_count], the most wanted first; or NULL */
    size_t thumb_count;
    const cafi_similarity_gallery *gallery; /* drawn on the right; or NULL */
    bool has_threshold;                     /* a line at threshold is drawn */
    double threshold;
    uint64_t seed;                /* of the heights of the dots */
    double width, height;         /* in points; 0 for 760 (880 with a gallery) and 420 */
    const cafi_similarity *below; /* another panel under this one, as wide; or NULL */
};

#define CAFI_SIMILARITY_MAX_STARS 8

/* Draws the plot onto path; suffixes as for cafi_chart_save. The same arguments
 * give the same picture. EINVAL: no face, too many stars, a similarity or a
 * weight that is not finite (with its row), a picture of no face, a suffix. EIO, ENOMEM,
 * EUNSUPPORTED as there. Any thread. */
caface_status cafi_similarity_save(const cafi_similarity *plot, const char *path,
                                   caface_error *err);

#endif
