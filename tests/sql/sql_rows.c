/* What the SQL tests need beside the tool:
 *   sql_rows rows SET [COPIES [GROUP]]   a feature set as rows of PostgreSQL's COPY: number,
 *                                        template, feature and style as bytea of f32; COPIES times,
 *                                        the templates of each copy apart, or GROUP rows a template
 *   sql_rows templates T.npz             template number, bytea of f32, of `caface fuse -o T.npz`
 *   sql_rows sum EXCHANGE OUT            a restoring model in the form heads: that of the form
 *                                        exchange without the tensors of its exchange */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/features.h"
#include "files/bundle.h"
#include "files/safetensors.h"

static int fail(const caface_error *err)
{
    fprintf(stderr, "sql_rows: %s\n", err->message);
    return 1;
}

/* COPY doubles the backslash. */
static void print_bytes(const float *values, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)values;

    fputs("\\\\x", stdout);
    for (size_t i = 0; i < n * sizeof *values; i++) {
        putchar_unlocked(digits[bytes[i] >> 4]);
        putchar_unlocked(digits[bytes[i] & 15]);
    }
}

static int print_rows(const char *path, size_t copies, size_t group)
{
    caface_features *set = NULL;
    caface_features_info info;
    int64_t *ids = NULL;
    float *feat = NULL, *style = NULL;
    caface_error err;
    caface_status st = caface_features_open(&set, path, &err);

    if (st)
        return fail(&err);
    caface_features_get_info(set, &info);
    if ((st = CAFI_NEW(&ids, info.n, &err)) || (st = cafi_alloc_f32(&feat, info.n, info.C, &err)) ||
        (st = cafi_alloc_f32(&style, info.n, 2 * info.S, &err)) ||
        (st = caface_features_read(set, 0, info.n, feat, style, NULL, &err)))
        return fail(&err);
    if (caface_features_column(set, "template") >= 0 &&
        (st = caface_features_integers(set, caface_features_column(set, "template"), ids, &err)))
        return fail(&err);
    for (size_t i = 0; i < info.n * copies; i++) {
        size_t r = i % info.n;
        int64_t template = group ? (int64_t)(i / group) : ids[r] + (int64_t)(i / info.n) * 1000000;

        printf("%zu\t%" PRId64 "\t", i, template);
        print_bytes(feat + r * info.C, info.C);
        putchar('\t');
        print_bytes(style + r * info.S * 2, info.S * 2);
        putchar('\n');
    }
    free(ids);
    free(feat);
    free(style);
    caface_features_close(set);
    return 0;
}

static int print_templates(const char *path)
{
    cafi_bundle *bundle = NULL;
    const cafi_tensor *ids = NULL, *templates = NULL;
    int64_t *id = NULL;
    float *values = NULL;
    caface_error err;
    caface_status st = cafi_bundle_open(&bundle, path, &err);

    if (st)
        return fail(&err);
    ids = cafi_bundle_find(bundle, "template_ids");
    templates = cafi_bundle_find(bundle, "templates");
    if ((st = CAFI_NEW(&id, ids->shape[0], &err)) ||
        (st = cafi_alloc_f32(&values, ids->shape[0], templates->shape[1], &err)) ||
        (st = cafi_tensor_read_i64(ids, 0, ids->shape[0], id, &err)))
        return fail(&err);
    cafi_tensor_read_f32(templates, 0, ids->shape[0] * templates->shape[1], values);
    for (size_t t = 0; t < ids->shape[0]; t++) {
        printf("%" PRId64 "\t", id[t]);
        print_bytes(values + t * templates->shape[1], templates->shape[1]);
        putchar('\n');
    }
    free(id);
    free(values);
    cafi_bundle_close(bundle);
    return 0;
}

static int write_sum(const char *from, const char *to)
{
    cafi_bundle *bundle = NULL;
    const cafi_tensor **kept = NULL;
    size_t n = 0;
    caface_error err;
    caface_status st = cafi_bundle_open(&bundle, from, &err);

    if (st || (st = CAFI_NEW(&kept, cafi_bundle_count(bundle), &err)))
        return fail(&err);
    for (size_t i = 0; i < cafi_bundle_count(bundle); i++) {
        const cafi_tensor *t = cafi_bundle_at(bundle, i);

        if (strncmp(t->name, "restore.e1.", 11) && strncmp(t->name, "restore.e2.", 11))
            kept[n++] = t;
    }
    st = cafi_safetensors_save(to, kept, n, NULL, &err);
    free(kept);
    cafi_bundle_close(bundle);
    return st ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "rows") == 0)
        return print_rows(argv[2], argc > 3 ? (size_t)atol(argv[3]) : 1,
                          argc > 4 ? (size_t)atol(argv[4]) : 0);
    if (argc == 3 && strcmp(argv[1], "templates") == 0)
        return print_templates(argv[2]);
    if (argc == 4 && strcmp(argv[1], "sum") == 0)
        return write_sum(argv[2], argv[3]);
    fputs("usage: sql_rows rows SET [COPIES [GROUP]] | templates T.npz | sum EXCHANGE OUT\n",
          stderr);
    return 2;
}
