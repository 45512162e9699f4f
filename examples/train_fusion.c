/* Trains a fusion model on a folder of `caface prepare features`, and prints its losses; goes on
 * where an earlier run was stopped.
 *     train_fusion DATA CENTERS OUT [EPOCHS] */
#include <caface/caface.h>
#include <caface/train.h>
#include <stdio.h>
#include <stdlib.h>

static int report(void *context, const caface_train_progress *p)
{
    (void)context;
    if (p->is_row)
        printf("update %zu: loss %.4f\n", p->updates, p->loss);
    return 1;
}

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: train_fusion DATA CENTERS OUT [EPOCHS]"};
    caface_train_options options;
    caface_train_progress end = {0};
    caface_status st = CAFACE_EINVAL;

    if (argc == 4 || argc == 5) {
        caface_train_options_init(&options, CAFACE_METHOD_CAFACE);
        options.data = argv[1];
        options.centers = argv[2];
        options.output = argv[3];
        options.epochs = argc == 5 ? strtoul(argv[4], NULL, 10) : options.epochs;
        options.resume = 1;
        st = caface_train(&options, report, NULL, &end, &err);
    }
    if (st)
        fprintf(stderr, "train_fusion: %s\n", err.message);
    else
        printf("%zu updates: %s/best.safetensors\n", end.updates, argv[3]);
    return st ? 1 : 0;
}
