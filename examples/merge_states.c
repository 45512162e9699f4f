/* Keeps each feature set of one person as a saved state, merges the states, and prints the
 * template of all: no face is needed any more.
 *     merge_states MODEL SET... */
#include <caface/caface.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: merge_states MODEL SET..."};
    caface_features_info info = {0};
    caface_model *model = NULL;
    caface_set *all = NULL, *one = NULL, *kept = NULL;
    caface_features *faces = NULL;
    float out[4096] = {0};
    caface_status st = argc > 2 ? caface_model_open(&model, argv[1], &err) : CAFACE_EINVAL;

    st = st ? st : caface_set_new(&all, model, NULL, &err);
    for (int i = 2; !st && i < argc; i++) {
        if (!(st = caface_features_open(&faces, argv[i], &err)))
            caface_features_get_info(faces, &info);
        (void)(st || (st = caface_set_new(&one, model, NULL, &err)) ||
               (st = caface_batch_push(one, faces, NULL, info.n, NULL, &err)) ||
               (st = caface_set_save(one, "one.state", &err)) ||
               (st = caface_set_load(&kept, model, "one.state", &err)) ||
               (st = caface_set_merge(all, kept, &err)));
        caface_set_free(kept);
        caface_set_free(one);
        caface_features_close(faces);
        kept = one = NULL;
    }
    st = st || info.C > 4096 ? st : caface_set_template(all, out, &err);
    for (size_t c = 0; !st && c < info.C && c < 4096; c++)
        printf("%.9g\n", (double)out[c]);
    if (st)
        fprintf(stderr, "merge_states: %s\n", err.message);
    caface_set_free(all);
    caface_model_free(model);
    return st ? 1 : 0;
}
