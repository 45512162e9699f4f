/* Writes the man page or the bash completion from the tables of the commands,
 * so that neither can fall behind --help. Run by the build. */
#include <stdio.h>
#include <string.h>

#include "caface/version.h"
#include "cli/common_options.h"

/* Text as troff takes it: backslashes, hyphens and leading dots escaped. */
static void roff(const char *text)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        line_start = *text == '\n';
    }
}

static void man_options(const cli_option *options)
{
    for (const cli_option *o = options; o->name; o++) {
        printf(".TP\n\\fB");
        if (o->letter)
            printf("\\-%c\\fR, \\fB", o->letter);
        printf("\\-\\-");
        roff(o->name);
        printf("\\fR");
        if (o->value)
            printf(" \\fI%s\\fR%s", o->value, o->kind == CLI_PATHS ? "..." : "");
        printf("\n");
        roff(o->help);
        printf("\n");
    }
}

static void man_command(const cli_command *c)
{
    printf(".SH CAFACE ");
    for (const char *s = c->name; *s; s++)
        putchar(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s);
    printf("\n.B caface %s\n", c->name);
    roff(c->synopsis);
    printf("\n.PP\n.nf\n");
    roff(c->text);
    printf("\n.fi\n");
    man_options(c->options);
    if (c->example) {
        printf(".PP\nExample:\n.PP\n.nf\n");
        roff(c->example);
        printf("\n.fi\n");
    }
}

/* The commands that have no use for one of the common options. */
static void man_lacks(void)
{
    for (const cli_option *o = cli_common_options; o->name; o++) {
        const char *between = NULL;

        for (const cli_command *const *c = cli_commands; *c; c++)
            if (!cli_has_common(*c, o)) {
                if (!between) {
                    printf(".PP\nCommands without \\-\\-%s: ", o->name);
                    between = "";
                }
                printf("%s%s", between, (*c)->name);
                between = ", ";
            }
        if (between)
            printf(".\n");
    }
}

static void man(void)
{
    printf(".TH CAFACE 1 \"\" \"caface %s\" \"User Commands\"\n", CAFACE_VERSION);
    printf(".SH NAME\ncaface \\- one template from many poor face images\n");
    printf(".SH SYNOPSIS\n.B caface\n.I COMMAND\n[\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]\n");
    printf(".SH DESCRIPTION\nFuses the features of any number of faces of one person into one "
           "template with a cluster network and an aggregation network, and does what comes "
           "before and after.\n.SH COMMANDS\n");
    for (const cli_command *const *c = cli_commands; *c; c++) {
        printf(".TP\n.B %s\n", (*c)->name);
        roff((*c)->summary);
        printf("\n");
    }
    printf(".SH OPTIONS OF MOST COMMANDS\n");
    man_options(cli_common_options);
    man_lacks();
    for (const cli_command *const *c = cli_commands; *c; c++)
        man_command(*c);
    printf(
        ".SH EXIT STATUS\n.TP\n0\nsuccess\n.TP\n1\nfailure: one sentence on standard error names "
        "the file and what is wrong\n.TP\n2\nthe command was called wrongly\n.TP\n3\nsome inputs "
        "were skipped\n");
}

static void completion_words(const cli_command *c, const cli_option *options, bool common)
{
    for (const cli_option *o = options; o->name; o++)
        if (!common || cli_has_common(c, o))
            printf(" --%s", o->name);
}

/* Is an earlier command's first word the same as this one's? */
static bool family_seen(size_t index, size_t length)
{
    for (size_t i = 0; i < index; i++)
        if (strncmp(cli_commands[i]->name, cli_commands[index]->name, length) == 0 &&
            cli_commands[i]->name[length] == ' ')
            return true;
    return false;
}

static void completion(void)
{
    printf("# bash completion for caface\n_caface()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]}\n"
           "    local name=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" words=\n    case $name in\n");
    for (const cli_command *const *c = cli_commands; *c; c++) {
        printf("    \"%s\"%s) words=\"", (*c)->name, strchr((*c)->name, ' ') ? "" : "\\ *");
        completion_words(*c, (*c)->options, false);
        completion_words(*c, cli_common_options, true);
        printf("\" ;;\n");
    }
    printf("    esac\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (size_t i = 0; cli_commands[i]; i++) {
        size_t length = strcspn(cli_commands[i]->name, " ");

        if (cli_commands[i]->name[length] && family_seen(i, length))
            continue;
        printf(" %.*s", (int)length, cli_commands[i]->name);
    }
    printf(" --help --version\"\n    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
           "        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        size_t length = strcspn(cli_commands[i]->name, " ");

        if (!cli_commands[i]->name[length] || family_seen(i, length))
            continue;
        printf("        %.*s) words=\"", (int)length, cli_commands[i]->name);
        for (size_t j = i; cli_commands[j]; j++)
            if (strncmp(cli_commands[j]->name, cli_commands[i]->name, length + 1) == 0)
                printf(" %s", cli_commands[j]->name + length + 1);
        printf("\" ;;\n");
    }
    printf("        esac\n    fi\n"
           "    if [ \"${cur:0:1}\" = - ] || { [ \"$COMP_CWORD\" -le 2 ] && [ -n \"$words\" ] && "
           "[ \"${words:0:3}\" != ' --' ]; }; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n    else\n"
           "        COMPREPLY=()\n    fi\n}\ncomplete -o default -F _caface caface\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "man") == 0)
        man();
    else if (argc == 2 && strcmp(argv[1], "completion") == 0)
        completion();
    else {
        fprintf(stderr, "usage: caface-docgen man|completion\n");
        return 2;
    }
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
