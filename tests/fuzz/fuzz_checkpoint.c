/* Checkpoints of training, of a small network: the bytes as they are, and as patches (two
 * bytes of a place, one of a value) of a checkpoint that this program wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "train/checkpoint.h"

static const cafi_train_dims dims = {
    .C = 4, .S = 2, .E = 4, .P = 4, .D = 8, .M = 2, .K = 4, .L = 1, .H = 2};
static const char config[] = "{\"seed\":1}";

typedef struct run {
    cafi_params params;
    cafi_run_state state;
} run;

static void run_new(run *r)
{
    cafi_optimiser_config adam = {0};
    caface_error err;

    memset(r, 0, sizeof *r);
    fuzz_check(!cafi_params_new(&r->params, &dims, &err) &&
                   !cafi_alloc_f32(&r->state.weights, 1, r->params.total, &err) &&
                   !cafi_params_init(&r->params, r->state.weights, 1, &err) &&
                   !cafi_optimiser_new(&r->state.optimiser, &adam, r->params.total, &err) &&
                   !cafi_buffers_new(&r->state.buffers, &dims, &err),
               "no network");
}

static void run_free(run *r)
{
    cafi_optimiser_free(&r->state.optimiser);
    cafi_buffers_free(&r->state.buffers);
    cafi_buf_free(&r->state.log);
    free(r->state.weights);
    cafi_params_free(&r->params);
}

static void load(const char *path)
{
    run r;
    caface_error err;

    run_new(&r);
    if (cafi_checkpoint_load(path, &r.params, &r.state, config, &err))
        fuzz_check(err.message[0] != '\0', "an error without a sentence");
    else {
        fuzz_read(r.state.weights, r.params.total * sizeof(float));
        fuzz_read(r.state.log.data, r.state.log.size);
    }
    run_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_second_file("", 0);
    static unsigned char bytes[1 << 16];
    size_t n = 0;
    FILE *f = NULL;
    run r;
    caface_error err;

    load(fuzz_file(data, size));
    run_new(&r);
    cafi_buf_text(&r.state.log, "epoch,step\n1,2\n");
    fuzz_check(!cafi_checkpoint_save(path, &r.params, &r.state, config, &err), "not saved");
    run_free(&r);
    f = fopen(path, "rb");
    fuzz_check(f != NULL, "no file");
    n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    fuzz_check(n > 0 && n < sizeof bytes, "a checkpoint of another size than was thought");
    for (size_t i = 0; i + 2 < size; i += 3)
        bytes[((size_t)data[i] << 8 | data[i + 1]) % n] = data[i + 2];
    load(fuzz_file(bytes, n));
    return 0;
}
