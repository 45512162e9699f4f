#include "train/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "files/bundle.h"
#include "files/safetensors.h"

caface_status cafi_snapshot_save(const char *path, const cafi_snapshot_field *fields, size_t count,
                                 const cafi_buf *log, const char *config, caface_error *err)
{
    cafi_tensor tensors[CAFI_SNAPSHOT_MOST];
    const cafi_tensor *order[CAFI_SNAPSHOT_MOST];
    char key[] = "config";
    char *keys[] = {key};
    char *text = NULL;
    caface_status st = cafi_strdup(&text, config, err);

    if (st)
        return st;
    for (size_t i = 0; i <= count; i++) {
        const cafi_snapshot_field log_field = {"log", CAFI_U8, log->data, log->size};
        const cafi_snapshot_field *f = i < count ? &fields[i] : &log_field;

        tensors[i] = (cafi_tensor){.name = f->name,
                                   .data = f->data,
                                   .dtype = f->dtype,
                                   .ndim = 1,
                                   .shape = {f->count},
                                   .stride = {1}};
        order[i] = &tensors[i];
    }
    cafi_value value = {.kind = CAFI_STRING, .u.text = {text, strlen(text)}};
    cafi_value dict = {.kind = CAFI_DICT, .u.list = {&value, keys, 1}};
    st = cafi_safetensors_save(path, order, count + 1, &dict, err);
    free(text);
    return st;
}

static caface_status read_log(cafi_buf *log, const cafi_bundle *b, caface_error *err)
{
    const cafi_tensor *t = cafi_bundle_find(b, "log");
    void *text = NULL;
    size_t n;
    caface_status st;

    if (!t || t->dtype != CAFI_U8)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no log in it", cafi_bundle_path(b));
    n = cafi_tensor_count(t);
    if ((st = cafi_alloc(&text, n, 1, err)))
        return st;
    cafi_tensor_read_raw(t, 0, n, text);
    log->size = 0;
    cafi_buf_append(log, text, n);
    free(text);
    return log->failed ? cafi_fail_memory(err, n) : CAFACE_OK;
}

/* Names the first item, between commas, in which two configurations differ. */
static caface_status refuse(const char *path, const char *made, const char *config,
                            caface_error *err)
{
    while (*made && *config) {
        size_t m = strcspn(made, ",");
        size_t c = strcspn(config, ",");

        if (m != c || memcmp(made, config, m) != 0)
            break;
        made += m + strspn(made + m, ", ");
        config += c + strspn(config + c, ", ");
    }
    return cafi_fail(err, CAFACE_EMODEL, "%s: was made with \"%.*s\", this run has \"%.*s\"", path,
                     (int)strcspn(made, ","), made, (int)strcspn(config, ","), config);
}

static caface_status read_all(const cafi_bundle *b, const cafi_snapshot_field *fields, size_t count,
                              cafi_buf *log, const char *config, caface_error *err)
{
    const char *made = cafi_value_text(cafi_bundle_config(b), "config");

    if (!made || strcmp(made, config) != 0)
        return refuse(cafi_bundle_path(b), made ? made : "", config, err);
    for (size_t i = 0; i < count; i++) {
        const cafi_tensor *t = cafi_bundle_find(b, fields[i].name);

        if (!t || t->dtype != fields[i].dtype || cafi_tensor_count(t) != fields[i].count)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: no %s of %zu numbers", cafi_bundle_path(b),
                             fields[i].name, fields[i].count);
    }
    for (size_t i = 0; i < count; i++)
        cafi_tensor_read_raw(cafi_bundle_find(b, fields[i].name), 0, fields[i].count,
                             fields[i].data);
    return read_log(log, b, err);
}

caface_status cafi_snapshot_load(const char *path, const cafi_snapshot_field *fields, size_t count,
                                 cafi_buf *log, const char *config, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    if (!st)
        st = read_all(b, fields, count, log, config, err);
    cafi_bundle_close(b);
    return st;
}
