#include "cli/quality.h"

#include "caface/quality.h"

bool cli_quality_given(const cli_quality *q)
{
    return q->network || cafi_quality_gate_is_set(&q->gate);
}

caface_status cli_quality_open(caface_encoder **out, const cli_quality *q, size_t threads,
                               caface_error *err)
{
    *out = NULL;
    return q->network ? caface_quality_network_open(out, q->network, threads, err) : CAFACE_OK;
}

void cli_quality_report(size_t refused)
{
    if (refused)
        cli_warn("%zu face%s left out by --min-quality or --max-yaw", refused,
                 refused == 1 ? " was" : "s were");
}
