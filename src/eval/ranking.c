#include "eval/ranking.h"

#include <stdlib.h>

#include "base/mem.h"
#include "eval/radix.h"

void cafi_ranking_free(cafi_ranking *r)
{
    free(r->entries);
    free(r->segment);
    *r = (cafi_ranking){0};
}

static bool wanted(cafi_pair pair, float score, bool genuine, uint32_t cut)
{
    return cafi_pair_is_genuine(pair) == genuine && cafi_score_key(score) <= cut;
}

static caface_status cut_segments(cafi_ranking *r, caface_error *err)
{
    caface_status st = CAFI_NEW(&r->segment, r->count / (CAFI_SEGMENT / 2) + 2, err);

    for (size_t start = 0; !st && start < r->count;) {
        size_t end = start;

        /* whole runs, as many as fit; a longer run stands alone. Two
         * neighbours together hold more than CAFI_SEGMENT, which bounds their number. */
        while (end < r->count) {
            size_t run = end + 1;

            while (run < r->count && r->entries[run].key == r->entries[end].key)
                run++;
            if (run - start > CAFI_SEGMENT && end > start)
                break;
            end = run;
            if (end - start >= CAFI_SEGMENT)
                break;
        }
        r->segment[r->segments++] = start;
        r->segment[r->segments] = end;
        start = end;
    }
    return st;
}

caface_status cafi_ranking_new(cafi_ranking *out, const cafi_pair *pairs, const float *score,
                               size_t n, const uint32_t *subject, bool genuine, uint32_t cut,
                               caface_error *err)
{
    cafi_ranking r = {0};
    uint64_t *keys = NULL;
    uint64_t *scratch = NULL;
    size_t k = 0;
    caface_status st = CAFACE_OK;

    *out = r;
    for (size_t i = 0; i < n; i++)
        r.count += wanted(pairs[i], score[i], genuine, cut);
    if ((st = CAFI_NEW(&keys, r.count, err)) || (st = CAFI_NEW(&scratch, r.count, err)))
        goto done;
    for (size_t i = 0; i < n; i++)
        if (wanted(pairs[i], score[i], genuine, cut))
            keys[k++] = (uint64_t)cafi_score_key(score[i]) << 32 | i;
    cafi_radix_u64(keys, scratch, r.count);
    free(scratch);
    scratch = NULL;
    if ((st = CAFI_NEW(&r.entries, r.count, err)))
        goto done;
    for (k = 0; k < r.count; k++) {
        cafi_pair pair = pairs[keys[k] & UINT32_MAX];

        r.entries[k] =
            (cafi_ranked){(uint32_t)(keys[k] >> 32), subject[cafi_pair_a(pair)], subject[pair.b]};
    }
    st = cut_segments(&r, err);
done:
    free(keys);
    free(scratch);
    if (st)
        cafi_ranking_free(&r);
    else
        *out = r;
    return st;
}
