/* Fuses a feature set into a template for every id of its column "template", as
 * `caface fuse` does, and prints how like each template is the one before it.
 *     fuse_many MODEL SET */
#include <caface/caface.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: fuse_many MODEL SET"};
    caface_features_info info = {0};
    caface_features *faces = NULL;
    caface_groups *groups = NULL;
    caface_model *model = NULL;
    float *templates = NULL;
    int64_t *ids = NULL;
    caface_status st = argc == 3 ? caface_model_open(&model, argv[1], &err) : CAFACE_EINVAL;

    if (!st && !(st = caface_features_open(&faces, argv[2], &err))) {
        caface_features_get_info(faces, &info);
        ids = (int64_t *)calloc(info.n + 1, sizeof *ids); /* NULL is refused below */
        st = caface_features_integers(faces, caface_features_column(faces, "template"), ids, &err);
    }
    if (!st && !(st = caface_groups_new(&groups, ids, info.n, &err))) {
        templates = (float *)calloc(caface_groups_count(groups) * info.C + 1, sizeof *templates);
        st = caface_batch_fuse(model, faces, groups, NULL, templates, NULL, NULL, &err);
    }
    for (size_t t = 1; !st && t < caface_groups_count(groups); t++)
        printf("%lld %.6f\n", (long long)caface_groups_ids(groups)[t],
               caface_cosine(templates + (t - 1) * info.C, templates + t * info.C, info.C));
    if (st)
        fprintf(stderr, "fuse_many: %s\n", err.message);
    caface_groups_free(groups);
    caface_features_close(faces);
    caface_model_free(model);
    free(templates);
    free(ids);
    return st ? 1 : 0;
}
