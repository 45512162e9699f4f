#include "eval/id_table.h"

#include <stdlib.h>

#include "base/mem.h"

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

size_t cafi_ids_unique(int64_t *ids, size_t n)
{
    size_t count = 0;

    qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 0; i < n; i++)
        if (!count || ids[count - 1] != ids[i])
            ids[count++] = ids[i];
    return count;
}

caface_status cafi_id_table_build(cafi_id_table *out, const int64_t *ids, size_t count,
                                  caface_error *err)
{
    size_t slots = 16;
    caface_status st = CAFACE_OK;

    *out = (cafi_id_table){0};
    /* at most half full, so that a miss ends soon */
    while (slots / 2 < count)
        if (!cafi_mul_size(slots, 2, &slots))
            return cafi_fail_memory(err, count);
    st = CAFI_NEW(&out->slots, slots, err);
    if (st)
        return st;
    out->mask = slots - 1;
    for (size_t i = 0; i < slots; i++)
        out->slots[i].place = CAFI_NO_ID;
    for (size_t n = 0; n < count; n++) {
        size_t i = cafi_id_hash(ids[n]) & out->mask;

        while (out->slots[i].place != CAFI_NO_ID)
            i = (i + 1) & out->mask;
        out->slots[i] = (cafi_id_slot){ids[n], (uint32_t)n};
    }
    return CAFACE_OK;
}

void cafi_id_table_free(cafi_id_table *table)
{
    free(table->slots);
    *table = (cafi_id_table){0};
}
