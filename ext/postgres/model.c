#include "extension.h"

#include "utils/memutils.h"

static cafpg_model *current = NULL;

cafpg_model *cafpg_model_hold(cafpg_model *model)
{
    if (model)
        model->users++;
    return model;
}

static void free_unused(cafpg_model *model)
{
    if (model->users || model->is_current)
        return;
    caface_model_free(model->model);
    pfree(model->path);
    pfree(model);
}

void cafpg_model_release(cafpg_model *model)
{
    if (!model)
        return;
    model->users--;
    free_unused(model);
}

/* Memory first: nothing can be raised while the library's model is in nobody's hands. */
static caface_status open_model(cafpg_model **out, caface_error *err)
{
    cafpg_model *fresh = MemoryContextAllocZero(TopMemoryContext, sizeof *fresh);
    caface_status st = CAFACE_OK;

    fresh->path = MemoryContextStrdup(TopMemoryContext, cafpg_model_path);
    st = caface_model_open(&fresh->model, fresh->path, err);
    if (st) {
        free_unused(fresh);
        return st;
    }
    caface_model_get_info(fresh->model, &fresh->info);
    *out = fresh;
    return CAFACE_OK;
}

static caface_status refresh(caface_error *err)
{
    cafpg_model *fresh = NULL;
    cafpg_model *old = current;
    caface_status st = CAFACE_OK;

    if (old && strcmp(old->path, cafpg_model_path) == 0)
        return CAFACE_OK;
    st = open_model(&fresh, err);
    if (st)
        return st;
    fresh->is_current = true;
    current = fresh;
    if (old) {
        old->is_current = false;
        free_unused(old);
    }
    return CAFACE_OK;
}

cafpg_model *cafpg_model_get(bool is_required)
{
    caface_error err;

    if (!cafpg_model_path || !*cafpg_model_path) {
        if (!is_required)
            return NULL;
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("caface: no model: caface.model is not set"),
                        errhint("ALTER DATABASE ... SET caface.model = '/path/to/model' names one; "
                                "only a superuser, or who was granted it, may.")));
    }
    if (refresh(&err))
        cafpg_raise_setting(&err);
    return current;
}

void cafpg_model_preload(void)
{
    caface_error err;

    if (cafpg_model_path && *cafpg_model_path && refresh(&err))
        ereport(WARNING, (errmsg("caface.model: %s", err.message)));
}
