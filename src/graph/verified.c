#include "graph/verified.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "caface/version.h"

/* A file of more than this is begun anew: 60,000 programs. */
#define MOST_BYTES ((off_t)1 << 20)

static bool path_of(const char *name, char path[4096])
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n = 0;

    if (cache && cache[0] == '/')
        n = snprintf(path, 4096, "%s/caface%s", cache, name);
    else if (home && home[0] == '/')
        n = snprintf(path, 4096, "%s/.cache/caface%s", home, name);
    return n > 0 && n < 4096;
}

/* Everything about a step that decides what code runs, on what shapes. */
static void add_step(cafi_buf *text, const cafi_plan_op *s)
{
    const cafi_dnn_spec *d = &s->spec;
    const cafi_window *w = s->kind == CAFI_STEP_POOL ? &s->window : &d->window;

    cafi_buf_printf(text, "%d %s %s", (int)s->kind, s->label,
                    s->op[0] ? cafi_dnn_op_impl(s->op[0]) : "");
    cafi_buf_printf(text, " %zu %zu %zu %zu %zu %zu %zu %d%d%d%d %d%d %d%d", d->batch,
                    d->in_channels, d->in_height, d->in_width, d->out_channels, d->out_height,
                    d->out_width, (int)d->src, (int)d->dst, (int)d->src_layout, (int)d->dst_layout,
                    d->sum, d->clip, d->winograd + 2 * d->blocked, d->convolution);
    for (int i = 0; i < 2; i++)
        cafi_buf_printf(text, " %lld %lld %lld %lld %lld", (long long)w->kernel[i],
                        (long long)w->stride[i], (long long)w->dilation[i], (long long)w->pad[i],
                        (long long)w->pad[2 + i]);
    cafi_buf_printf(text, " %lld %zu %zu %zu %zu %zu %d", (long long)w->groups, s->parts, s->rows,
                    s->groups, s->positions, s->lanes, (int)s->elem);
    cafi_buf_printf(text, " %d %zu", (int)s->cut, s->units);
    cafi_buf_printf(text, " %zu %zu %zu %zu %d%d%d", s->pass.rows, s->pass.groups,
                    s->pass.positions, s->pass.lanes, (int)s->pass.from, (int)s->pass.to,
                    (int)s->pass.act);
    cafi_buf_printf(text, " %zu %zu %zu %d%d", s->binary.groups, s->binary.positions,
                    s->binary.lanes, (int)s->binary.op, s->binary.broadcast);
    cafi_buf_printf(text, " %zu %zu %zu %zu %zu %zu %d", s->resize.planes, s->resize.lanes,
                    s->resize.height, s->resize.width, s->resize.out_height, s->resize.out_width,
                    s->resize.linear);
    for (int k = 0; k < s->move.ndim; k++)
        cafi_buf_printf(text, " %zu %td", s->move.extent[k], s->move.step[k]);
    cafi_buf_printf(text, " %zu %zu %zu %zu %d %d%d\n", s->reorder.from_lanes, s->reorder.to_lanes,
                    s->reorder.channels, s->reorder.positions, s->pool.slope != NULL,
                    s->lines.slope || s->pointwise.slope, (int)s->lines.shape.pool);
}

static bool hash_of(const cafi_program *program, char line[18])
{
    unsigned char digest[CAFI_SHA256_SIZE];
    char hex[CAFI_SHA256_TEXT];
    char processor[128];
    cafi_buf text = {0};
    bool fine = false;

    cafi_cpu_name(processor, sizeof processor);
    cafi_buf_printf(&text, "caface %s\noneDNN %s %s\n%s %s\n", CAFACE_VERSION, cafi_dnn_version(),
                    cafi_dnn_isa(), processor, cafi_isa_name(cafi_cpu_isa()));
    for (size_t i = 0; i < program->step_count; i++)
        add_step(&text, &program->steps[i]);
    fine = !text.failed;
    if (fine) {
        cafi_sha256_of(text.data, text.size, digest);
        snprintf(line, 18, "%.16s\n", cafi_sha256_hex(digest, hex));
    }
    cafi_buf_free(&text);
    return fine;
}

/* Whether the line is in the file. */
static bool known(const char line[18])
{
    char path[4096];
    char there[18];
    FILE *f = path_of("/verified", path) ? fopen(path, "re") : NULL;
    bool found = false;

    while (f && !found && fread(there, 1, 17, f) == 17)
        found = memcmp(there, line, 17) == 0;
    if (f)
        fclose(f);
    return found;
}

bool cafi_verified_wanted(cafi_verified *out, const cafi_program *program, cafi_check check)
{
    const char *wish = getenv("CAFACE_SELF_CHECK");

    *out = (cafi_verified){0};
    if (wish && check == CAFI_CHECK_ONCE)
        check = strcmp(wish, "never") == 0    ? CAFI_CHECK_NEVER
                : strcmp(wish, "always") == 0 ? CAFI_CHECK_ALWAYS
                                              : CAFI_CHECK_ONCE;
    if (check != CAFI_CHECK_ONCE)
        return check == CAFI_CHECK_ALWAYS;
    out->keep = hash_of(program, out->line);
    return !out->keep || !known(out->line);
}

void cafi_verified_keep(const cafi_verified *verified, const cafi_program *program)
{
    char path[4096];
    struct stat info;
    int fd = -1;
    bool fine = verified->keep;

    for (size_t i = 0; i < program->step_count; i++)
        fine = fine && !program->steps[i].mended;
    if (!fine || !path_of("", path))
        return;
    /* The folder above is made, too: ~/.cache of a new user. */
    *strrchr(path, '/') = '\0';
    mkdir(path, 0700);
    path_of("", path);
    mkdir(path, 0700);
    path_of("/verified", path);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    /* Whole lines in one write each: programs that run at once do not mix theirs. */
    if (fstat(fd, &info) || !S_ISREG(info.st_mode) ||
        (info.st_size > MOST_BYTES && ftruncate(fd, 0)) || write(fd, verified->line, 17) != 17)
        fine = false;
    close(fd);
}
