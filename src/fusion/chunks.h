/* How N faces are cut into chunks. */
#ifndef CAFI_FUSION_CHUNKS_H
#define CAFI_FUSION_CHUNKS_H

#include <stddef.h>

/* N faces in ceil(N/chunk) nearly equal chunks, the first N mod k of them one
 * larger; chunk 0: one chunk. As the release cuts a set of known size. */
typedef struct cafi_chunks {
    size_t count;
    size_t length; /* of the shorter ones */
    size_t longer; /* how many have one more */
} cafi_chunks;

cafi_chunks cafi_chunks_of(size_t N, size_t chunk);
size_t cafi_chunk_length(const cafi_chunks *chunks, size_t index);
size_t cafi_chunk_first(const cafi_chunks *chunks, size_t index);

#endif
