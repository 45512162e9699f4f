#include "cli/eval/report.h"

#include <stdio.h>

static caface_status save_files(const eval_report *r, const eval_options *o, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (o->markdown)
        st = eval_save_markdown(o->markdown, &r->table, &r->notes, err);
    if (!st && o->csv)
        st = eval_save_csv(o->csv, &r->numbers, err);
    return st;
}

caface_status eval_report_finish(eval_report *r, const eval_options *o, const cli_common *common,
                                 caface_error *err)
{
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    if (r->table.failed || r->numbers.failed || r->notes.failed || (common->json && r->json.failed))
        st = cafi_fail_memory(err, 0);
    else
        st = save_files(r, o, err);
    if (!st && common->json) {
        (void)cli_print(&r->json);
    } else if (!st) {
        eval_table_text(&r->table, &text);
        if (!common->quiet)
            cafi_buf_append(&text, r->notes.data, r->notes.size);
        if (text.failed)
            st = cafi_fail_memory(err, text.capacity);
        else
            cli_say(stdout, "%s", text.data ? text.data : "");
    }
    cafi_buf_free(&text);
    cafi_buf_free(&r->notes);
    cafi_buf_free(&r->json);
    eval_table_free(&r->table);
    eval_table_free(&r->numbers);
    return st;
}
