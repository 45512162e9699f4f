/* What a subcommand is: a table of options, a page of help, and a function.
 * --help, the man page and the shell completion all come from these tables. */
#ifndef CAFACE_CLI_COMMAND_H
#define CAFACE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>

#include "base/mem.h"

/* Exit statuses that scripts may rely on. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_SKIPPED = 3 };

typedef struct cli_list {
    const char **items;
    size_t count;
} cli_list;

/* The first member of every command's options. */
typedef struct cli_common {
    size_t threads; /* 0: one for every core */
    bool quiet;
    bool json;
    bool no_self_check; /* of commands with CLI_SELF_CHECK_OPTION */
    cli_list args;      /* what is not an option, in order */
    cli_list given;     /* names of the options that were */
} cli_common;

typedef enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_SIZE,   /* size_t, min..max */
    CLI_INT,    /* int64_t, min..max */
    CLI_REAL,   /* double, min..max */
    CLI_STRING, /* const char *, borrowed from argv */
    CLI_LIST,   /* cli_list, one value each time the option is given */
    CLI_PATHS   /* cli_list, every value up to the next option */
} cli_kind;

typedef struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    cli_kind kind;
    size_t offset;     /* of the member in the command's options */
    const char *value; /* "N", "FILE": what the help calls the value */
    const char *help;  /* one sentence, lower case, no full stop */
    double min, max;   /* for numbers; both 0: any */
} cli_option;

/* Common options that a command has no use for: they are no options of it. */
enum { CLI_NO_THREADS = 1, CLI_NO_QUIET = 2, CLI_NO_JSON = 4 };

/* For commands that run networks; cli_dispatch does what it says. */
#define CLI_SELF_CHECK_OPTION                                                                      \
    {                                                                                              \
        "no-self-check", 0, CLI_FLAG, offsetof(cli_common, no_self_check), NULL,                   \
            "do not compare a model with the plain definition when it is first opened", 0, 0       \
    }

typedef struct cli_command {
    const char *name;          /* "fuse", "eval verify" */
    const char *summary;       /* one line */
    const char *synopsis;      /* what follows the name in "usage: caface NAME ..." */
    const char *text;          /* paragraphs, wrapped by hand at 78 columns */
    const char *example;       /* lines of shell */
    const cli_option *options; /* ends with a zero entry */
    size_t options_size;
    void (*defaults)(void *options); /* or NULL: all zero */
    size_t min_args, max_args;
    unsigned lacks;            /* CLI_NO_... */
    bool missing;              /* from this build: any option is taken, and run says so */
    int (*run)(void *options); /* returns an exit status */
} cli_command;

/* Every command of the program, ending with NULL. */
extern const cli_command *const cli_commands[];

/* Was the option of this name given? */
bool cli_given(const cli_common *common, const char *name);

/* Parses argv (after the command's name) into options, runs, frees. */
int cli_dispatch(const cli_command *command, int argc, char **argv);
/* To be called when all is printed: flushes stdout, and a result that could not
 * be written (a full disk behind >) turns CLI_OK into CLI_FAILED with a warning.
 * A reader that went away (`| head`) is no news: there is no warning then. */
int cli_end_stdout(int status);
void cli_print_help(const cli_command *command);

/* For --version --verbose: the libraries, their versions, and the instruction sets
 * in use, one a line. */
void cli_print_versions(void);

/* Prints "caface: SENTENCE" on stderr and returns CLI_FAILED. */
int cli_fail(const caface_error *err);
/* One line: line ends and tabs become '?' too. */
void cli_say_line(FILE *to, const char *text);
/* printf for text with names in it: what a terminal would obey becomes '?', line ends
 * and tabs do not. */
void cli_say(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a wrong call: adds where the help is; returns CLI_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A name for a picture, or NULL: CLI_OK, or the exit status, with the sentence printed, where its
 * suffix is none that is drawn (CLI_USAGE) or this build draws nothing. */
int cli_plot_check(const char *command, const char *path);
/* A name for what is written, or NULL: CLI_OK, or CLI_USAGE with the sentence printed where its
 * suffix is another format's than those, "npy" or "mp4 mov mkv", "" for a folder; needs_one: also
 * where it has none of them. */
int cli_suffix_check(const char *command, const char *option, const char *path, const char *formats,
                     bool needs_one);
/* Prints a text (the one JSON object of --json, as a rule) and a newline on stdout, and
 * frees it. Returns CLI_OK, or CLI_FAILED when there was no memory for all of it. */
int cli_print(cafi_buf *text);
/* A line on stderr that begins with "caface: ", for warnings. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Warnings of one kind that are told one by one; of more, the number. */
#define CLI_TOLD 10

#endif
