#include "train/teacher.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/status.h"
#include "fusion/batch.h"
#include "train/restore_parts.h"

struct cafi_teacher {
    caface_model *model;
    caface_model_info info;
    size_t C, S;
    double weight;
    cafi_pool *pool;
    int64_t *ids;     /* [rows] */
    float *templates; /* [rooms][C] */
    size_t rows, rooms;
};

caface_status cafi_teacher_open(cafi_teacher **out, const char *path, size_t C, size_t S,
                                cafi_origin made, double weight, cafi_pool *pool, caface_error *err)
{
    cafi_teacher *t = NULL;
    bool unknown = false;
    caface_status st = CAFI_NEW(&t, 1, err);

    *out = NULL;
    if (st)
        return st;
    *t = (cafi_teacher){.C = C, .S = S, .weight = weight, .pool = pool};
    if (!(st = caface_model_open(&t->model, path, err))) {
        caface_model_get_info(t->model, &t->info);
        if ((t->info.C && t->info.C != C) || t->info.S != S)
            st = cafi_fail(err, CAFACE_EMODEL,
                           "%s: a fusion of features of %zu numbers and %zu style channels, "
                           "training has %zu and %zu",
                           path, t->info.C, t->info.S, C, S);
        else
            st = cafi_origin_check(
                (cafi_origin){path, t->info.backbone, t->info.input, t->info.encoding}, made, true,
                &unknown, err);
    }
    if (st)
        cafi_teacher_close(t);
    else
        *out = t;
    return st;
}

void cafi_teacher_close(cafi_teacher *teacher)
{
    if (!teacher)
        return;
    caface_model_free(teacher->model);
    free(teacher->ids);
    free(teacher->templates);
    free(teacher);
}

const char *cafi_teacher_hash(const cafi_teacher *teacher)
{
    return teacher->info.hash;
}

static caface_status make_room(cafi_teacher *t, size_t rows, size_t sets, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (rows > t->rows) {
        free(t->ids);
        t->ids = NULL;
        t->rows = 0;
        if ((st = CAFI_NEW(&t->ids, rows, err)))
            return st;
        t->rows = rows;
    }
    if (sets > t->rooms) {
        free(t->templates);
        t->templates = NULL;
        t->rooms = 0;
        if ((st = cafi_alloc_f32(&t->templates, sets, t->C, err)))
            return st;
        t->rooms = sets;
    }
    return st;
}

caface_status cafi_teacher_guide(cafi_teacher *teacher, const float *features, const float *styles,
                                 const size_t *first, size_t sets, float *targets,
                                 caface_error *err)
{
    const cafi_fuse_options options = {.method = teacher->info.method, .pool = teacher->pool};
    size_t C = teacher->C, rows = first[sets];
    cafi_feature_set *set = NULL;
    cafi_groups groups = {0};
    caface_status st = CAFACE_OK;

    if (!sets)
        return CAFACE_OK;
    if ((st = make_room(teacher, rows, sets, err)))
        return st;
    for (size_t i = 0; i < sets; i++)
        for (size_t k = first[i]; k < first[i + 1]; k++)
            teacher->ids[k] = (int64_t)i;
    if ((st = cafi_feature_set_wrap(&set, rows, features, C, styles, teacher->S, NULL, 0, err)) ||
        (st = cafi_groups_from_ids(&groups, teacher->ids, rows, err)) ||
        (st = cafi_fuse_batch(teacher->model, set, &groups, &options, teacher->templates, NULL,
                              err)))
        goto done;
    for (size_t i = 0; i < sets; i++) {
        float *to = targets + i * C;

        for (size_t c = 0; c < C; c++)
            to[c] = (float)((1.0 - teacher->weight) * (double)to[c] +
                            teacher->weight * (double)teacher->templates[i * C + c]);
        (void)cafi_unit_fwd(to, to, C);
    }
done:
    cafi_groups_free(&groups);
    cafi_feature_set_close(set);
    return st;
}
