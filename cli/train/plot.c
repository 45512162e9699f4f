#include "cli/train/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "files/mapped.h"
#include "plot/chart.h"

/* Columns of log.csv that are drawn, by the names in its first line. */
enum { STEP, LOSS, VALIDATION, DRAWN, MOST_COLUMNS = 32 };

typedef struct curves {
    double *step, *loss;
    double *tested, *validation;
    size_t rows, tests;
    size_t column[DRAWN], columns; /* where they stand, of how many */
} curves;

/* Finds the columns in the first line. */
static bool parse_head(curves *c, const char *line)
{
    static const char *const names[DRAWN] = {"step", "loss", "validation"};
    unsigned found = 0;

    for (c->columns = 0; c->columns < MOST_COLUMNS; c->columns++) {
        size_t n = strcspn(line, ",");

        for (size_t i = 0; i < DRAWN; i++)
            if (strlen(names[i]) == n && !memcmp(names[i], line, n)) {
                c->column[i] = c->columns;
                found |= 1u << i;
            }
        line += n;
        if (*line++ != ',')
            break;
    }
    c->columns++;
    return found == (1u << DRAWN) - 1 && c->columns <= MOST_COLUMNS;
}

/* Cuts a line of the log at its commas; false for anything but a row. */
static bool parse_row(curves *c, char *line)
{
    double value[MOST_COLUMNS];
    bool filled[MOST_COLUMNS] = {false};
    const size_t *at_column = c->column;
    char *at = line;

    for (size_t i = 0; i < c->columns; i++) {
        char *end = NULL;

        value[i] = strtod(at, &end);
        filled[i] = end != at;
        if (*end != (i + 1 < c->columns ? ',' : '\0'))
            return false;
        at = end + 1;
    }
    if (!filled[at_column[STEP]] || !filled[at_column[LOSS]])
        return false;
    c->step[c->rows] = value[at_column[STEP]];
    c->loss[c->rows++] = value[at_column[LOSS]];
    if (filled[at_column[VALIDATION]]) {
        c->tested[c->tests] = value[at_column[STEP]];
        c->validation[c->tests++] = value[at_column[VALIDATION]];
    }
    return true;
}

static caface_status read_log(curves *c, const char *path, caface_error *err)
{
    cafi_mapped map;
    char *text = NULL;
    char *next = NULL;
    size_t lines = 1;
    caface_status st = cafi_mapped_open(&map, path, err);

    if (st)
        return cafi_prefix(err, st, path);
    for (size_t i = 0; i < map.size; i++)
        lines += map.data[i] == '\n';
    if (!(st = CAFI_NEW(&text, map.size + 1, err)) && !(st = CAFI_NEW(&c->step, lines, err)) &&
        !(st = CAFI_NEW(&c->loss, lines, err)) && !(st = CAFI_NEW(&c->tested, lines, err)) &&
        !(st = CAFI_NEW(&c->validation, lines, err))) {
        memcpy(text, map.data, map.size);
        for (char *line = strtok_r(text, "\n", &next); line; line = strtok_r(NULL, "\n", &next))
            if (!st && !(c->columns ? parse_row(c, line) : parse_head(c, line)))
                st = cafi_fail(err, CAFACE_EFORMAT, "%s: \"%.60s\" is no row of a log", path, line);
    }
    cafi_mapped_close(&map);
    free(text);
    return st;
}

caface_status train_plot(const char *path, const char *folder, double far, caface_error *err)
{
    curves c = {0};
    cafi_buf log = {0};
    char tested[48];
    cafi_chart_series loss, measured;
    cafi_chart tests = {.x = {.label = "update"},
                        .y = {.label = tested, .percent = true},
                        .series = &measured,
                        .series_count = 1,
                        .height = 220};
    cafi_chart chart = {
        .title = "Training", .y = {.label = "loss"}, .series = &loss, .series_count = 1};
    caface_status st;

    cafi_buf_printf(&log, "%s/log.csv", folder);
    st = log.failed ? cafi_fail_memory(err, strlen(folder)) : read_log(&c, log.data, err);
    snprintf(tested, sizeof tested, "TAR at FAR %g", far);
    if (!st) {
        loss = (cafi_chart_series){.x = c.step, .y = c.loss, .count = c.rows};
        measured = (cafi_chart_series){
            .x = c.tested, .y = c.validation, .count = c.tests, .markers = true};
        if (c.tests) {
            chart.below = &tests;
            chart.height = 260;
        } else {
            chart.x.label = "update";
        }
        st = cafi_chart_save(&chart, path, err);
    }
    cafi_buf_free(&log);
    free(c.step);
    free(c.loss);
    free(c.tested);
    free(c.validation);
    return st;
}
