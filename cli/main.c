#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/shown.h"
#include "caface/version.h"
#include "cli/command.h"
#include "files/mapped.h"

#ifdef CAFACE_HAVE_VISION
#include "graph/onednn.h"
#endif

static void print_overview(FILE *to)
{
    fprintf(to, "usage: caface COMMAND ...\n\n"
                "One template from many poor face images.\n\nCommands:\n");
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(to, "  %-18s %s\n", (*c)->name, (*c)->summary);
    fprintf(to, "\n`caface COMMAND --help` explains one of them, with an example.\n");
}

/* The command whose name is the first words of argv; *words is how many. */
static const cli_command *find_command(int argc, char **argv, int *words)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        const char *space = strchr((*c)->name, ' ');
        size_t first = space ? (size_t)(space - (*c)->name) : strlen((*c)->name);

        if (strlen(argv[0]) != first || memcmp(argv[0], (*c)->name, first) != 0)
            continue;
        if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0))
            continue;
        *words = space ? 2 : 1;
        return *c;
    }
    return NULL;
}

/* "eval" alone, or "eval --help": the commands that start with the word. */
static int print_family(int argc, char **argv)
{
    size_t length = strlen(argv[0]);
    bool found = false;
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    FILE *to = help ? stdout : stderr;

    for (const cli_command *const *c = cli_commands; *c; c++)
        if (memcmp((*c)->name, argv[0], strnlen((*c)->name, length)) == 0 &&
            strlen((*c)->name) > length && (*c)->name[length] == ' ') {
            if (!found && argc > 1 && !help)
                cli_say(to, "caface: unknown command %s %s\n\n", argv[0], argv[1]);
            if (!found)
                fprintf(to, "usage: caface %s COMMAND ...\n\nCommands:\n", argv[0]);
            fprintf(to, "  %-18s %s\n", (*c)->name, (*c)->summary);
            found = true;
        }
    if (!found)
        cli_say(stderr, "caface: unknown command %s\ntry: caface --help\n", argv[0]);
    return found && help ? cli_end_stdout(CLI_OK) : CLI_USAGE;
}

/* `caface gallery --db PLACE COMMAND ...` is `caface gallery COMMAND PLACE ...`. */
static int move_place(int argc, char **argv)
{
    char *place = NULL;

    if (argc < 4 || strcmp(argv[1], "gallery") != 0)
        return argc;
    if (strncmp(argv[2], "--db=", 5) == 0) {
        place = argv[2] + 5;
        argv[2] = argv[3];
        argv[3] = place;
    } else if (argc > 4 && strcmp(argv[2], "--db") == 0) {
        argv[2] = argv[4];
        memmove(argv + 4, argv + 5, (size_t)(argc - 4) * sizeof *argv); /* and the final NULL */
        argc--;
    }
    return argc;
}

/* Whether a variable of the environment is unset or one of the values. */
static bool is_one_of(const char *variable, const char *const *values)
{
    const char *value = getenv(variable);

    for (int i = 0; value && values[i]; i++)
        if (strcmp(value, values[i]) == 0)
            return true;
    if (value) {
        cli_say(stderr, "caface: %s=%s: known are", variable, value);
        for (int i = 0; values[i]; i++)
            cli_say(stderr, "%s %s", i ? "," : "", values[i]);
        cli_say(stderr, "\n");
    }
    return !value;
}

/* For tests: CAFACE_TEST_FAIL_ALLOCATION=K makes the K-th allocation fail, and
 * CAFACE_TEST_WRONG=NAME implementations of oneDNN of that name compute wrong numbers. */
static int dispatch(const cli_command *command, int argc, char **argv)
{
    const char *which = getenv("CAFACE_TEST_FAIL_ALLOCATION");
    int status = 0;

#ifdef CAFACE_HAVE_VISION
    cafi_dnn_spoil(getenv("CAFACE_TEST_WRONG"));
#endif
    if (which)
        cafi_mem_fail(strtoull(which, NULL, 10), 1);
    status = cli_dispatch(command, argc, argv);
    if (which && !cafi_mem_failures())
        cli_say(stderr, "caface: allocation %s was not reached\n", which);
    return status;
}

/* A mapped file that another program cuts short: one sentence, as for every input. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    static const char *const parts[] = {"caface: ", NULL,
                                        ": was cut short by another program while it was read\n"};
    char name[512];
    const char *mapped = cafi_mapped_name(info->si_addr);
    size_t n = 0;

    (void)context;
    if (!mapped) {
        signal(number, SIG_DFL); /* it happens again, and ends the program as usual */
        return;
    }
    for (; mapped[n] && n + 1 < sizeof name; n++)
        name[n] = mapped[n];
    name[n] = '\0';
    cafi_text_clean(name, "");
    for (int i = 0; i < 3; i++) {
        const char *text = i == 1 ? name : parts[i];
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

        (void)ignored;
    }
    _exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
    static const char *const isas[] = {"plain", "neon", "avx2", "avx512", NULL};
    static const char *const checks[] = {"never", "once", "always", NULL};
    struct sigaction bus = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    const cli_command *command = NULL;
    int words = 0;

    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGBUS, &bus, NULL);
    if (!is_one_of("CAFACE_ISA", isas) || !is_one_of("CAFACE_SELF_CHECK", checks))
        return CLI_USAGE;
    if (argc < 2) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_overview(stdout);
        return cli_end_stdout(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        bool verbose = argc == 3 && strcmp(argv[2], "--verbose") == 0;

        if (argc > 2 && !verbose) {
            cli_say(stderr, "caface: --version takes only --verbose\n");
            return CLI_USAGE;
        }
        printf("caface %s\n", CAFACE_VERSION);
        if (verbose)
            cli_print_versions();
        return cli_end_stdout(CLI_OK);
    }
    argc = move_place(argc, argv);
    command = find_command(argc - 1, argv + 1, &words);
    if (!command)
        return print_family(argc - 1, argv + 1);
    return dispatch(command, argc - 1 - words, argv + 1 + words);
}
