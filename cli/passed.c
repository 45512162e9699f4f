#include "cli/passed.h"

#include "cli/command.h"

void cli_passed_take(cli_passed *passed, const cafi_sources *sources)
{
    const cafi_passed_kind *kinds = NULL;
    size_t count = cafi_sources_passed(sources, &kinds);

    cafi_passed_add(passed->kinds, &passed->count, kinds, count);
}

void cli_passed_print(FILE *out, const cafi_passed_kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cli_say(out, "%s%zu %s", i ? ", " : "passed over: ", kinds[i].count,
                *kinds[i].suffix ? kinds[i].suffix : "without a suffix");
    if (count)
        cli_say(out, "\n");
}

void cli_passed_json(cafi_json *json, const cafi_passed_kind *kinds, size_t count)
{
    if (count)
        cafi_json_begin_object(json, "passed_over");
    for (size_t i = 0; i < count; i++)
        cafi_json_int(json, kinds[i].suffix, (int64_t)kinds[i].count);
    if (count)
        cafi_json_end_object(json);
}
