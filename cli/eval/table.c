#include "cli/eval/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/output.h"

void eval_table_cell(eval_table *table, const char *fmt, ...)
{
    va_list args;
    char text[160];
    int size = 0;
    char *copy = NULL;

    va_start(args, fmt);
    size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (size < 0 || CAFI_GROW(&table->cells, &table->capacity, table->count + 1, NULL) ||
        cafi_strdup(&copy, text, NULL)) {
        table->failed = true;
        return;
    }
    table->cells[table->count++] = copy;
}

void eval_table_percent(eval_table *table, double value, bool supported, bool interval, double low,
                        double high)
{
    const char *mark = supported ? " " : "*";

    if (isnan(value))
        eval_table_cell(table, "- ");
    else if (!interval)
        eval_table_cell(table, "%.2f%s", 100 * value, mark);
    else if (isnan(low)) /* no resample has the figure */
        eval_table_cell(table, "%.2f%s\n[-, -]", 100 * value, mark);
    else
        eval_table_cell(table, "%.2f%s\n[%.2f, %.2f]", 100 * value, mark, 100 * low, 100 * high);
}

void eval_table_number(eval_table *table, double value)
{
    if (isnan(value))
        eval_table_cell(table, "%s", "");
    else
        eval_table_cell(table, "%.9g", value);
}

void eval_table_free(eval_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (eval_table){0};
}

/* One line of a cell; NULL when the cell has no second one. */
static const char *cell_line(const char *cell, int line, size_t *size)
{
    const char *newline = strchr(cell, '\n');

    if (line == 0) {
        *size = newline ? (size_t)(newline - cell) : strlen(cell);
        return cell;
    }
    *size = newline ? strlen(newline + 1) : 0;
    return newline ? newline + 1 : NULL;
}

static size_t column_width(const eval_table *t, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < t->count; i += t->columns)
        for (int line = 0; line < 2; line++) {
            size_t size = 0;

            cell_line(t->cells[i], line, &size);
            width = size > width ? size : width;
        }
    return width;
}

static void text_line(const eval_table *t, size_t row, int line, const size_t *width, cafi_buf *out)
{
    for (size_t c = 0; c < t->columns; c++) {
        size_t size = 0;
        const char *text = cell_line(t->cells[row * t->columns + c], line, &size);
        int pad = (int)(width[c] - size);

        if (c)
            cafi_buf_printf(out, "  %*s%.*s", pad, "", (int)size, text ? text : "");
        else
            cafi_buf_printf(out, "%.*s%*s", (int)size, text ? text : "", pad, "");
    }
    cafi_buf_text(out, "\n");
}

void eval_table_text(const eval_table *t, cafi_buf *out)
{
    size_t width[TABLE_MAX_COLUMNS];

    for (size_t c = 0; c < t->columns; c++)
        width[c] = column_width(t, c);
    for (size_t row = 0; row * t->columns < t->count; row++) {
        bool second = false;

        for (size_t c = 0; c < t->columns; c++)
            second = second || strchr(t->cells[row * t->columns + c], '\n');
        text_line(t, row, 0, width, out);
        if (second)
            text_line(t, row, 1, width, out);
    }
}

void eval_table_markdown(const eval_table *t, cafi_buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        cafi_buf_text(out, "| ");
        for (const char *c = t->cells[i]; *c; c++)
            cafi_buf_append(out, *c == '\n' ? " " : c, 1);
        cafi_buf_text(out, (i + 1) % t->columns ? " " : " |\n");
        if (i + 1 == t->columns)
            for (size_t c = 0; c < t->columns; c++)
                cafi_buf_text(out, c == 0 ? "|---|" : c + 1 < t->columns ? "---:|" : "---:|\n");
    }
}

void eval_table_csv(const eval_table *t, cafi_buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        bool quote = strpbrk(t->cells[i], ",\"\n") != NULL;

        if (quote)
            cafi_buf_text(out, "\"");
        for (const char *c = t->cells[i]; *c; c++)
            cafi_buf_append(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        if (quote)
            cafi_buf_text(out, "\"");
        cafi_buf_text(out, (i + 1) % t->columns ? "," : "\n");
    }
}

/* Saves and frees text. */
static caface_status save(const char *path, const eval_table *table, cafi_buf *text,
                          caface_error *err)
{
    caface_status st = table->failed || text->failed
                           ? cafi_fail_memory(err, text->capacity)
                           : cafi_output_save(path, text->data, text->size, err);

    cafi_buf_free(text);
    return st;
}

caface_status eval_save_markdown(const char *path, const eval_table *table, const cafi_buf *notes,
                                 caface_error *err)
{
    cafi_buf text = {0};

    eval_table_markdown(table, &text);
    if (notes && notes->size) {
        cafi_buf_text(&text, "\n");
        cafi_buf_append(&text, notes->data, notes->size);
    }
    return save(path, table, &text, err);
}

caface_status eval_save_csv(const char *path, const eval_table *table, caface_error *err)
{
    cafi_buf text = {0};

    eval_table_csv(table, &text);
    return save(path, table, &text, err);
}
