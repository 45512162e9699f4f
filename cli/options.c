#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/shown.h"
#include "base/threads.h"
#include "caface/version.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "plot/chart.h"

#define COMMON(member) offsetof(cli_common, member)

const cli_option cli_common_options[] = {
    {"threads", 0, CLI_SIZE, COMMON(threads), "N", "threads to use (default: one for every core)",
     1, CAFI_MAX_THREADS},
    {"quiet", 'q', CLI_FLAG, COMMON(quiet), NULL, "no progress, no summary", 0, 0},
    {"json", 0, CLI_FLAG, COMMON(json), NULL, "print one JSON object on stdout, nothing else", 0,
     0},
    {"help", 'h', CLI_FLAG, 0, NULL, "print this page", 0, 0},
    {"version", 0, CLI_FLAG, 0, NULL,
     "print the version; caface --version --verbose those of the libraries, too", 0, 0},
    {0},
};

bool cli_has_common(const cli_command *command, const cli_option *common)
{
    static const struct {
        const char *name;
        unsigned lack;
    } lacks[] = {{"threads", CLI_NO_THREADS}, {"quiet", CLI_NO_QUIET}, {"json", CLI_NO_JSON}};

    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
        if ((command->lacks & lacks[i].lack) && strcmp(common->name, lacks[i].name) == 0)
            return false;
    return true;
}

int cli_print(cafi_buf *text)
{
    bool failed = text->failed;

    if (failed)
        cli_warn("out of memory for the report");
    else {
        cafi_text_clean(text->data, "\n\t");
        printf("%s\n", text->data);
    }
    cafi_buf_free(text);
    return failed ? CLI_FAILED : CLI_OK;
}

int cli_fail(const caface_error *err)
{
    cli_say(stderr, "caface: %s\n", err->message);
    return CLI_FAILED;
}

static bool is_cut; /* there was no memory for something that belongs on stdout */

static void lose_text(const FILE *to)
{
    if (!is_cut)
        fputs("caface: out of memory for a message\n", stderr);
    is_cut |= to == stdout;
}

/* Names come from users and files, and a terminal obeys what is in them: all that is
 * printed goes through here. */
static void print_clean(FILE *to, const char *front, const char *fmt, va_list args)
{
    char small[1024]; /* what fits asks for no memory */
    cafi_buf text = {0};
    char *whole = small;
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(small, sizeof small, fmt, again);
    va_end(again);
    if (n < 0 || (size_t)n >= sizeof small) {
        cafi_buf_vprintf(&text, fmt, args);
        whole = text.failed ? NULL : text.data;
    }
    if (whole) {
        cafi_text_clean(whole, "\n\t");
        cafi_text_hide_passwords(whole);
        fprintf(to, "%s%s", front, whole);
    } else
        lose_text(to);
    cafi_buf_free(&text);
}

void cli_say_line(FILE *to, const char *text)
{
    char *copy = NULL;

    if (cafi_strdup(&copy, text, NULL)) {
        lose_text(to);
        return;
    }
    cafi_text_clean(copy, "");
    fputs(copy, to);
    free(copy);
}

void cli_say(FILE *to, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_clean(to, "", fmt, args);
    va_end(args);
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "caface %s: ", command);
    va_start(args, fmt);
    print_clean(stderr, "", fmt, args);
    va_end(args);
    fprintf(stderr, "\ntry: caface %s --help\n", command);
    return CLI_USAGE;
}

int cli_plot_check(const char *command, const char *path)
{
    caface_error err = {CAFACE_OK, ""};
    caface_status st = path ? cafi_plot_check(path, &err) : CAFACE_OK;

    if (!st)
        return CLI_OK;
    return st == CAFACE_EINVAL ? cli_usage(command, "%s", err.message) : cli_fail(&err);
}

/* Is the word, of `size` bytes, among those of the list, with blanks between them? */
static bool is_among(const char *list, const char *word, size_t size)
{
    for (const char *at = list; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");

        if (n == size && strncasecmp(at, word, n) == 0)
            return true;
        at += n;
    }
    return false;
}

int cli_suffix_check(const char *command, const char *option, const char *path, const char *formats,
                     bool needs_one)
{
    static const char known[] =
        "npy npz safetensors pt pth ckpt onnx pkl bin rec h5 zip tar csv tsv json jsonl md html "
        "png jpg jpeg webp svg pdf gif mp4 mov mkv avi webm state gallery";
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *dot = path ? strrchr(slash ? slash : path, '.') : NULL;
    const char *suffix = dot ? dot + 1 : "";
    bool is_one = is_among(formats, suffix, strlen(suffix));
    char list[64];
    size_t n = 0;

    if (!path || is_one || (!needs_one && !is_among(known, suffix, strlen(suffix))))
        return CLI_OK;
    if (!*formats)
        return cli_usage(command, "--%s %s: a folder is written, not a file .%s", option, path,
                         suffix);
    for (const char *at = formats; *at && n + 4 < sizeof list; at++) {
        if (*at == ' ')
            list[n++] = ',';
        else if (at == formats)
            list[n++] = '.';
        list[n++] = *at;
        if (*at == ' ')
            list[n++] = '.';
    }
    list[n] = '\0';
    return cli_usage(command, "--%s %s: the name must end in %s", option, path, list);
}

void cli_warn(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    print_clean(stderr, "caface: ", fmt, args);
    va_end(args);
    fputs("\n", stderr);
}

static void print_option(const cli_option *o)
{
    char left[64];
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);

    if (o->value && n > 0 && (size_t)n < sizeof left)
        snprintf(left + n, sizeof left - (size_t)n, " %s%s", o->value,
                 o->kind == CLI_PATHS ? "..." : "");
    if (strlen(left) > 28)
        printf("%s\n%-29s %s\n", left, "", o->help);
    else
        printf("%-29s %s\n", left, o->help);
}

void cli_print_help(const cli_command *c)
{
    printf("usage: caface %s %s\n\n%s\n", c->name, c->synopsis, c->text);
    printf("\nOptions:\n");
    for (const cli_option *o = c->options; o->name; o++)
        print_option(o);
    for (const cli_option *o = cli_common_options; o->name; o++)
        if (cli_has_common(c, o))
            print_option(o);
    if (c->example)
        printf("\nExample:\n%s\n", c->example);
}

static const cli_option *find_option(const cli_command *c, const char *name, size_t length,
                                     char letter)
{
    const cli_option *tables[2] = {c->options, cli_common_options};

    for (int t = 0; t < 2; t++)
        for (const cli_option *o = tables[t]; o->name; o++)
            if (letter ? o->letter == letter
                       : strlen(o->name) == length && memcmp(o->name, name, length) == 0)
                return t == 0 || cli_has_common(c, o) ? o : NULL;
    return NULL;
}

static bool list_add(cli_list *list, const char *item)
{
    if (CAFI_RESIZE(&list->items, list->count + 1, NULL))
        return false;
    list->items[list->count++] = item;
    return true;
}

static bool parse_number(const cli_option *o, const char *text, void *member)
{
    char *end = NULL;
    bool limited = o->min < o->max;

    errno = 0;
    if (o->kind == CLI_REAL) {
        double v = strtod(text, &end);
        if (end == text || *end || !isfinite(v) || (limited && (v < o->min || v > o->max)))
            return false;
        *(double *)member = v;
    } else {
        long long v = strtoll(text, &end, 10);
        if (end == text || *end || errno || (o->kind == CLI_SIZE && v < 0) ||
            (limited && ((double)v < o->min || (double)v > o->max)))
            return false;
        if (o->kind == CLI_SIZE)
            return cafi_fit_size((uint64_t)v, (size_t *)member);
        else
            *(int64_t *)member = v;
    }
    return true;
}

static int bad_number(const cli_command *c, const cli_option *o, const char *text)
{
    const char *what = o->kind == CLI_REAL ? "a number" : "a whole number";

    if (o->min < o->max)
        return cli_usage(c->name, "--%s %s: must be %s from %.15g to %.15g", o->name, text, what,
                         o->min, o->max);
    return cli_usage(c->name, "--%s %s: must be %s%s", o->name, text, what,
                     o->kind == CLI_SIZE ? ", not negative" : "");
}

static int set_value(const cli_command *c, const cli_option *o, const char *text, char *options)
{
    void *member = options + o->offset;

    if (!list_add(&((cli_common *)(void *)options)->given, o->name)) {
        cli_warn("out of memory");
        return CLI_FAILED;
    }
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)member = true;
        return CLI_OK;
    case CLI_SIZE:
    case CLI_INT:
    case CLI_REAL:
        return parse_number(o, text, member) ? CLI_OK : bad_number(c, o, text);
    case CLI_STRING:
        *(const char **)member = text;
        return CLI_OK;
    case CLI_LIST:
    case CLI_PATHS:
        if (list_add(member, text))
            return CLI_OK;
    }
    cli_warn("out of memory");
    return CLI_FAILED;
}

/* Where the parser stands in argv. */
typedef struct cursor {
    int argc;
    char **argv;
    int i;
    bool only_args; /* after "--" */
    bool finished;  /* --help or --version was served */
} cursor;

/* Is this word the value of an option rather than an option? "-" is a value
 * (stdin), and so is a negative number. */
static bool is_value(const char *word)
{
    return word[0] != '-' || word[1] == '\0' || (word[1] >= '0' && word[1] <= '9') ||
           word[1] == '.';
}

static int parse_option(const cli_command *c, cursor *at, char *options)
{
    const char *word = at->argv[at->i++];
    const char *equals = strchr(word, '=');
    bool is_long = word[1] == '-';
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const cli_option *o = is_long       ? find_option(c, word + 2, length - 2, 0)
                          : length == 2 ? find_option(c, "", 0, word[1])
                                        : NULL;
    int status = CLI_OK;

    if (!o && c->missing)
        return CLI_OK;
    if (!o)
        return cli_usage(c->name, "unknown option %.*s", (int)length, word);
    if (o->kind == CLI_FLAG) {
        if (equals)
            return cli_usage(c->name, "--%s takes no value", o->name);
        if (strcmp(o->name, "help") == 0)
            cli_print_help(c);
        else if (strcmp(o->name, "version") == 0)
            printf("caface %s\n", CAFACE_VERSION);
        else
            return set_value(c, o, NULL, options);
        at->finished = true;
        return CLI_OK;
    }
    if (equals)
        return set_value(c, o, equals + 1, options);
    if (at->i >= at->argc || !is_value(at->argv[at->i]))
        return cli_usage(c->name, "--%s needs a value: %s", o->name, o->value);
    do
        status = set_value(c, o, at->argv[at->i++], options);
    while (!status && o->kind == CLI_PATHS && at->i < at->argc && is_value(at->argv[at->i]));
    return status;
}

static int parse(const cli_command *c, cursor *at, char *options)
{
    cli_common *common = (cli_common *)(void *)options;
    int status = CLI_OK;

    while (!status && !at->finished && at->i < at->argc) {
        const char *word = at->argv[at->i];
        if (!at->only_args && strcmp(word, "--") == 0) {
            at->only_args = true;
            at->i++;
        } else if (at->only_args || is_value(word)) {
            if (!list_add(&common->args, word)) {
                cli_warn("out of memory");
                status = CLI_FAILED;
            }
            at->i++;
        } else
            status = parse_option(c, at, options);
    }
    if (status || at->finished)
        return status;
    if (common->args.count < c->min_args)
        return cli_usage(c->name, "%zu argument%s given, at least %zu needed", common->args.count,
                         common->args.count == 1 ? "" : "s", c->min_args);
    if (common->args.count > c->max_args)
        return cli_usage(c->name, "unexpected argument %s", common->args.items[c->max_args]);
    return CLI_OK;
}

bool cli_given(const cli_common *common, const char *name)
{
    for (size_t i = 0; i < common->given.count; i++)
        if (!strcmp(common->given.items[i], name))
            return true;
    return false;
}

static void free_lists(const cli_command *c, char *options)
{
    free(((cli_common *)(void *)options)->given.items);
    free(((cli_common *)(void *)options)->args.items);
    for (const cli_option *o = c->options; o->name; o++)
        if (o->kind == CLI_LIST || o->kind == CLI_PATHS)
            free(((cli_list *)(void *)(options + o->offset))->items);
}

int cli_end_stdout(int status)
{
    bool broken = fflush(stdout) || ferror(stdout);

    if (is_cut && status == CLI_OK)
        status = CLI_FAILED;
    if (!broken || status != CLI_OK)
        return status;
    if (errno != EPIPE) /* whoever read it had enough */
        cli_warn("standard output: %s", strerror(errno));
    return CLI_FAILED;
}

int cli_dispatch(const cli_command *c, int argc, char **argv)
{
    cursor at = {.argc = argc, .argv = argv};
    caface_error err = {CAFACE_OK, ""};
    void *options = NULL;
    int status = CLI_OK;

    if (cafi_alloc(&options, 1, c->options_size, &err))
        return cli_fail(&err);
    if (c->defaults)
        c->defaults(options);
    status = parse(c, &at, options);
    if (!status && !at.finished && ((cli_common *)options)->no_self_check &&
        setenv("CAFACE_SELF_CHECK", "never", 1)) {
        cli_warn("out of memory");
        status = CLI_FAILED;
    }
    if (!status && !at.finished)
        status = c->run(options);
    free_lists(c, options);
    free(options);
    return cli_end_stdout(status);
}
