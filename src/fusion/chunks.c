#include "fusion/chunks.h"

cafi_chunks cafi_chunks_of(size_t N, size_t chunk)
{
    cafi_chunks c = {0};

    if (!N)
        return c;
    c.count = chunk ? N / chunk + (N % chunk != 0) : 1;
    c.length = N / c.count;
    c.longer = N % c.count;
    return c;
}

size_t cafi_chunk_length(const cafi_chunks *chunks, size_t index)
{
    return chunks->length + (index < chunks->longer);
}

size_t cafi_chunk_first(const cafi_chunks *chunks, size_t index)
{
    return chunks->length * index + (index < chunks->longer ? index : chunks->longer);
}
