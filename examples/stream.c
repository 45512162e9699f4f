/* Streams faces into a set, a portion at a time, and prints the template.
 *     stream MODEL < faces
 * Faces are rows of f32: C numbers of a feature, then S pairs of its style. */
#include <caface/set.h>
#include <stdio.h>
#include <stdlib.h>
enum { PORTION = 64 };

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: stream MODEL < faces"};
    caface_model_info info = {0};
    caface_model *model = NULL;
    caface_set *set = NULL;
    caface_status st = argc == 2 ? caface_model_open(&model, argv[1], &err) : CAFACE_EINVAL;
    float *feat = NULL, *style = NULL;

    if (!st && !(st = caface_set_new(&set, model, NULL, &err))) {
        caface_model_get_info(model, &info);
        feat = (float *)calloc(PORTION * info.C, sizeof *feat);
        style = (float *)calloc(PORTION * info.S * 2, sizeof *style);
        for (size_t n = PORTION; feat && style && !st && n == PORTION;) {
            for (n = 0; n < PORTION; n++)
                if (fread(feat + n * info.C, sizeof *feat, info.C, stdin) < info.C ||
                    fread(style + n * info.S * 2, sizeof *style, info.S * 2, stdin) < info.S * 2)
                    break;
            st = caface_set_push(set, feat, style, n, &err);
        }
        if (!st && feat)
            st = caface_set_template(set, feat, &err);
    }
    for (size_t c = 0; !st && c < info.C && feat; c++)
        printf("%.9g\n", (double)feat[c]);
    if (st)
        fprintf(stderr, "stream: %s\n", err.message);
    caface_set_free(set);
    caface_model_free(model);
    free(feat), free(style);
    return st ? 1 : 0;
}
