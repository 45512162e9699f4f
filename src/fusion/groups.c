#include "fusion/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct row {
    int64_t id;
    size_t number;
} row;

static int by_id(const void *a, const void *b)
{
    const row *x = a;
    const row *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static caface_status allocate(cafi_groups *g, size_t T, size_t N, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *g = (cafi_groups){.T = T, .N = N};
    if ((st = CAFI_NEW(&g->ids, T, err)) || (st = CAFI_NEW(&g->start, T + 1, err)) ||
        (st = CAFI_NEW(&g->rows, N, err)))
        cafi_groups_free(g);
    return st;
}

caface_status cafi_groups_single(cafi_groups *out, size_t N, caface_error *err)
{
    caface_status st = allocate(out, N ? 1 : 0, N, err);

    if (st || !N)
        return st;
    out->start[1] = N;
    for (size_t i = 0; i < N; i++)
        out->rows[i] = i;
    return CAFACE_OK;
}

caface_status cafi_groups_from_ids(cafi_groups *out, const int64_t *ids, size_t N,
                                   caface_error *err)
{
    row *sorted = NULL;
    size_t T = 0;
    caface_status st = CAFI_NEW(&sorted, N, err);

    *out = (cafi_groups){0};
    if (st)
        return st;
    for (size_t i = 0; i < N; i++)
        sorted[i] = (row){ids[i], i};
    qsort(sorted, N, sizeof *sorted, by_id);
    for (size_t i = 0; i < N; i++)
        T += i == 0 || sorted[i].id != sorted[i - 1].id;
    st = allocate(out, T, N, err);
    for (size_t i = 0, t = 0; !st && i < N; i++) {
        if (i == 0 || sorted[i].id != sorted[i - 1].id) {
            out->ids[t] = sorted[i].id;
            out->start[t++] = i;
        }
        out->rows[i] = sorted[i].number;
    }
    if (!st)
        out->start[T] = N;
    free(sorted);
    return st;
}

caface_status cafi_groups_copy(cafi_groups *out, const cafi_groups *from, caface_error *err)
{
    caface_status st = allocate(out, from->T, from->N, err);

    if (st)
        return st;
    memcpy(out->ids, from->ids, from->T * sizeof *out->ids);
    memcpy(out->start, from->start, (from->T + 1) * sizeof *out->start);
    memcpy(out->rows, from->rows, from->N * sizeof *out->rows);
    return CAFACE_OK;
}

size_t cafi_groups_keep(cafi_groups *groups, const unsigned char *valid)
{
    size_t before = groups->T;
    size_t T = 0;
    size_t N = 0;

    for (size_t t = 0, i = 0; t < before; t++) {
        size_t end = groups->start[t + 1];
        size_t first = N;

        for (; i < end; i++)
            if (valid[groups->rows[i]])
                groups->rows[N++] = groups->rows[i];
        if (N > first) {
            groups->ids[T] = groups->ids[t];
            groups->start[T++] = first;
        }
    }
    groups->start[T] = N;
    groups->T = T;
    groups->N = N;
    return before - T;
}

void cafi_groups_free(cafi_groups *groups)
{
    free(groups->ids);
    free(groups->start);
    free(groups->rows);
    *groups = (cafi_groups){0};
}

caface_status caface_groups_new(caface_groups **out, const int64_t *ids, size_t n,
                                caface_error *err)
{
    caface_groups *groups = NULL;
    caface_status st = CAFACE_OK;

    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "groups_new: null argument");
    *out = NULL;
    if ((st = CAFI_NEW(&groups, 1, err)))
        return st;
    st = ids ? cafi_groups_from_ids(groups, ids, n, err) : cafi_groups_single(groups, n, err);
    if (st)
        free(groups);
    else
        *out = groups;
    return st;
}

void caface_groups_free(caface_groups *groups)
{
    if (groups)
        cafi_groups_free(groups);
    free(groups);
}

size_t caface_groups_keep(caface_groups *groups, const unsigned char *valid)
{
    return cafi_groups_keep(groups, valid);
}

size_t caface_groups_count(const caface_groups *groups)
{
    return groups->T;
}

const int64_t *caface_groups_ids(const caface_groups *groups)
{
    return groups->ids;
}

const size_t *caface_groups_rows(const caface_groups *groups, size_t group, size_t *n)
{
    if (group >= groups->T) {
        *n = 0;
        return NULL;
    }
    *n = groups->start[group + 1] - groups->start[group];
    return groups->rows + groups->start[group];
}
