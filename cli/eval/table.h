/* A table of results: aligned text for a terminal, Markdown, CSV. */
#ifndef CAFACE_CLI_EVAL_TABLE_H
#define CAFACE_CLI_EVAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/status.h"

#define TABLE_MAX_COLUMNS 32

/* Cells are added row by row, the header first. A cell may have a second line
 * after '\n' (an interval). After a failed allocation failed stays set. */
typedef struct eval_table {
    size_t columns;
    char **cells; /* [count] */
    size_t count, capacity;
    bool failed;
} eval_table;

void eval_table_cell(eval_table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "97.75 " or "97.75*", below it, with interval, "[97.10, 98.30]"; "- " for NaN. */
void eval_table_percent(eval_table *table, double value, bool supported, bool interval, double low,
                        double high);
/* The number as it is, with nine digits; an empty cell for NaN. */
void eval_table_number(eval_table *table, double value);
void eval_table_free(eval_table *table);

/* Append the table to out: words in the first column left, numbers right. */
void eval_table_text(const eval_table *table, cafi_buf *out);
void eval_table_markdown(const eval_table *table, cafi_buf *out);
void eval_table_csv(const eval_table *table, cafi_buf *out);

/* The same as files that appear whole or not at all; notes, or NULL, stand below
 * the table. */
caface_status eval_save_markdown(const char *path, const eval_table *table, const cafi_buf *notes,
                                 caface_error *err);
caface_status eval_save_csv(const char *path, const eval_table *table, caface_error *err);

#endif
