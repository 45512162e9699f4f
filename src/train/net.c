#include "train/net.h"

#include <string.h>

#include "train/loss.h"
#include "train/net_parts.h"

/* Losses of one sample, and daggregate of its templates. */
static void sample_losses(cafi_net *t, const cafi_net_batch *batch, size_t sample)
{
    size_t C = t->config.dims.C;
    double B = (double)batch->batch;
    size_t first = sample * t->plain_each;
    size_t memory = t->plain + sample;
    size_t single = first + t->prefixes;
    double parts = t->config.single ? 1.0 : cafi_net_has_memory(&t->config) ? 4.0 : 2.0;
    double sum = 0.0;

    for (size_t i = 0; i < t->plain_each + (t->others > 0); i++) {
        size_t s = i < t->plain_each ? first + i : memory;
        /* each group's prefixes are averaged first */
        double part = i < t->prefixes ? 2.0 / (double)t->prefixes / parts : 1.0 / parts;

        sum += part * cafi_cosine_loss(t->aggregate + s * C, batch->targets[sample],
                                       t->daggregate + s * C, NULL,
                                       t->config.lambda_centre * part / B, C);
    }
    batch->centre_loss[sample] = sum;
    batch->memory_loss[sample] = 0.0;
    if (!t->others)
        return;
    double divisor = t->config.memory_divisor > 0.0 ? t->config.memory_divisor : B / 2.0;
    batch->memory_loss[sample] =
        cafi_cosine_loss(t->aggregate + memory * C, t->aggregate + single * C,
                         t->daggregate + memory * C, t->daggregate + single * C,
                         t->config.lambda_memory / B / divisor, C) /
        divisor;
    if (batch->memory_out)
        memcpy(batch->memory_out + sample * C, t->aggregate + memory * C, C * sizeof(float));
    if (batch->single_out)
        memcpy(batch->single_out + sample * C, t->aggregate + single * C, C * sizeof(float));
}

static void unit_values(cafi_net *t, const cafi_net_batch *batch)
{
    size_t C = t->config.dims.C;

    for (size_t r = 0; r < batch->n * cafi_net_rows(&t->config); r++) {
        float scale = 1.0f / (batch->norms[r] + 1e-5f);

        for (size_t c = 0; c < C; c++)
            t->values[r * C + c] = batch->features[r * C + c] * scale;
    }
}

void cafi_net_run(cafi_net *net, const cafi_weights *w, const cafi_weights *grad,
                  const cafi_net_batch *batch)
{
    net_layout(net, batch);
    unit_values(net, batch);
    net_blocks_fwd(net, w, batch);
    net_assign_fwd(net, w);
    net_agn_fwd(net, w);
    memset(net->daggregate, 0, net->templates * net->config.dims.C * sizeof(float));
    for (size_t s = 0; s < batch->n; s++)
        sample_losses(net, batch, s);
    if (!batch->dcompact)
        return;
    net_agn_bwd(net, w, grad);
    net_assign_bwd(net, w, grad);
    net_blocks_bwd(net, w, grad, batch);
}
