#include "cli/compare/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/compare/report.h"

/* One line a track: who it is. */
static void print_names(const cafi_comparison *c)
{
    for (size_t i = 0; i < c->probe->count; i++) {
        size_t who = 0;
        long long id = (long long)c->probe->tracks[i].id;

        switch (cafi_comparison_name(c, i, &who)) {
        case CAFI_SAME:
            cli_say(stdout, "track %lld is %s\n", id, c->gallery->items[who].name);
            break;
        case CAFI_CANNOT_TELL:
            cli_say(stdout, "track %lld: cannot tell, too blurred\n", id);
            break;
        case CAFI_OTHER:
            cli_say(stdout, "track %lld: unknown\n", id);
            break;
        }
    }
}

/* The false accept rate of a similarity, where the gallery is calibrated. */
static void print_far(const cafi_comparison *c, size_t method, double similarity)
{
    double below = 0.0;
    double far = c->far_of ? c->far_of(c->far_ctx, method, similarity, &below) : (double)NAN;

    if (!isnan(far))
        cli_say(stdout, " FAR %s%.1e", far > 0.0 ? "  " : "< ", far > 0.0 ? far : below);
}

/* A row, with what is said of each similarity behind it. */
static void print_row(const cafi_comparison *c, size_t track, size_t g)
{
    static const char marks[] = {[CAFI_OTHER] = ' ', [CAFI_SAME] = '*', [CAFI_CANNOT_TELL] = '?'};

    const char *name = c->gallery->items[g].name;

    cli_say(stdout, "%-6lld %6zu  %-*s", (long long)c->probe->tracks[track].id,
            c->probe->tracks[track].count, cli_padded(name, 20), name);
    for (size_t m = 0; m < c->method_count; m++) {
        double similarity = c->probe->tracks[track].fused[g * c->method_count + m];

        cli_say(stdout, " %9.4f %c", similarity, marks[cafi_comparison_verdict(c, track, g, m)]);
        print_far(c, m, similarity);
    }
    cli_say(stdout, "\n");
}

static void print_thresholds(const cafi_comparison *c)
{
    cli_say(stdout, "* at or above the threshold:");
    for (size_t m = 0; m < c->method_count; m++)
        cli_say(stdout, " %s %.2f%s", c->names[m], c->thresholds[m],
                m + 1 < c->method_count ? "," : "");
    if (c->far > 0.0)
        cli_say(stdout, " (a false accept rate of %g%s)", c->far,
                c->measured_elsewhere ? ", as measured with MobileFaceNet" : "");
    cli_say(stdout, "\n? cannot tell: so blurred that strangers are as alike\n");
}

caface_status cli_compare_table(const cafi_comparison *c, size_t confirm, caface_error *err)
{
    const cafi_probe *probe = c->probe;
    size_t *order = NULL;
    caface_status st = CAFI_NEW(&order, c->gallery->count, err);

    if (st)
        return st;

    cli_say(stdout, "%-6s %6s  %-20s", "track", "faces", "gallery");
    for (size_t m = 0; m < c->method_count; m++)
        cli_say(stdout, " %9s  ", c->names[m]);
    cli_say(stdout, "\n");
    for (size_t i = 0; i < probe->count; i++) {
        cafi_comparison_order(c, i, order);
        for (size_t g = 0; g < c->gallery->count && g < CLI_TOLD_PEOPLE; g++)
            print_row(c, i, order[g]);
    }
    free(order);
    if (c->gallery->count > CLI_TOLD_PEOPLE)
        cli_say(stdout, "the %d most alike by %s of %zu people; --json tells all\n",
                CLI_TOLD_PEOPLE, c->names[0], c->gallery->count);
    print_names(c);
    print_thresholds(c);
    if (probe->count && probe->tracks[0].brief)
        cli_say(stdout, "no track has %zu frames or more: these are shorter\n", confirm);
    if (probe->centred)
        cli_say(stdout, "%zu frames show no face: their middle was taken\n", probe->centred);
    return CAFACE_OK;
}
