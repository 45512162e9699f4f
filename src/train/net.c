#include "train/net.h"

#include <string.h>

#include "backward/linear.h"
#include "train/loss.h"
#include "train/net_parts.h"
#include "train/restore_parts.h"

/* Template number i of a sample: its place among all, and the weight that its losses have. */
static size_t template_of(const cafi_net *t, size_t sample, size_t i, double *part)
{
    double parts = t->config.single ? 1.0 : cafi_net_has_memory(&t->config) ? 4.0 : 2.0;

    /* each group's prefixes are averaged first */
    *part = i < t->prefixes ? 2.0 / (double)t->prefixes / parts : 1.0 / parts;
    return i < t->plain_each ? sample * t->plain_each + i : t->plain + sample;
}

/* Losses of one sample, and daggregate of its templates. */
static void sample_losses(cafi_net *t, const cafi_net_batch *batch, size_t sample)
{
    size_t C = t->config.dims.C;
    double B = (double)batch->batch;
    size_t first = sample * t->plain_each;
    size_t memory = t->plain + sample;
    size_t single = first + t->prefixes;
    double sum = 0.0;

    for (size_t i = 0; i < t->plain_each + (t->others > 0); i++) {
        double part;
        size_t s = template_of(t, sample, i, &part);

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

/* Cross entropy of all templates over the class centres, and what it adds to daggregate. */
static void entropy_losses(cafi_net *t, const cafi_net_batch *batch)
{
    const cafi_net_config *f = &t->config;
    size_t C = f->dims.C;
    size_t each = t->plain_each + (t->others > 0);

    for (size_t s = 0; s < t->templates; s++)
        t->unit_length[s] = (float)cafi_unit_fwd(t->unit + s * C, t->aggregate + s * C, C);
    cafi_linear_fwd(t->cosines, t->unit, batch->centres, NULL, t->templates, C, f->classes);
    for (size_t sample = 0; sample < batch->n; sample++)
        for (size_t i = 0; i < each; i++) {
            double part;
            size_t s = template_of(t, sample, i, &part);

            batch->entropy_loss[sample] +=
                part * cafi_centre_entropy(t->cosines + s * f->classes, f->classes,
                                           batch->own[sample], CAFI_NET_SCALE, CAFI_NET_MARGIN,
                                           f->lambda_entropy * part / (double)batch->batch);
        }
    memset(t->dunit, 0, t->templates * C * sizeof(float));
    cafi_linear_bwd(t->dunit, NULL, NULL, t->cosines, t->unit, batch->centres, t->templates, C,
                    f->classes);
    for (size_t s = 0; s < t->templates; s++)
        cafi_unit_bwd(t->daggregate + s * C, t->dunit + s * C, t->aggregate + s * C,
                      (double)t->unit_length[s], C);
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
    memset(batch->entropy_loss, 0, batch->n * sizeof *batch->entropy_loss);
    if (net->config.lambda_entropy > 0.0)
        entropy_losses(net, batch);
    if (!batch->dcompact)
        return;
    net_agn_bwd(net, w, grad);
    net_assign_bwd(net, w, grad);
    net_blocks_bwd(net, w, grad, batch);
}
