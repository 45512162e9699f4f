/* For test_memory.sh: runs a command of the tool again and again, in children of this process, and
 * lets another allocation fail each time.
 *
 *     fail_allocations WORK MOST [--talks] [--keeps] [--varies] COMMAND WORD...
 *
 * Before each run WORK/out is made anew with what WORK/fresh holds. A run that could not have its
 * memory ends with status 1, one new line on stderr that has "out of memory" in it, nothing on
 * stdout
 * (--talks: what comes before is printed), and WORK/out as it was (--keeps: what was finished
 * stays, each file as it is of a run that ends well). One that does without ends as ever: status,
 * stdout and the files in WORK/out, to the byte (--varies: by name alone).
 *
 * MOST: the first so many allocations all fail, and as many more of those behind; "all"; or
 * "places": of those that come of the same chain of calls the first and the last. A child that a
 * sanitizer ends is a failure: it prints more than one line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "cli/command.h"

enum { ROOM = 4096, TEXT = 1 << 16, MOST_PLACES = 1 << 20, CHAIN = 64 };

typedef struct result {
    int status; /* of wait */
    char out[TEXT], err[TEXT];
    char files[TEXT];   /* names in WORK/out, a line each */
    char content[TEXT]; /* the same, with a hash */
} result;

typedef struct sweep {
    const char *work;
    bool talks, keeps, varies;
    const cli_command *command;
    int argc;
    char **argv;
    volatile uint64_t *failures; /* of the child */
    uint64_t *place;             /* of the child: by the number of an allocation, less one */
    char fresh[TEXT];            /* files and content of a new WORK/out */
    result usual;
} sweep;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void path_of(char out[ROOM], const char *folder, const char *name)
{
    if (snprintf(out, ROOM, "%s/%s", folder, name) >= ROOM)
        die(name);
}

/* Adds words to a text. */
static void add(char to[TEXT], const char *a, const char *b, const char *c)
{
    size_t n = strlen(to);
    int added = snprintf(to + n, TEXT - n, "%s%s%s", a, b, c);

    if (added < 0 || (size_t)added >= TEXT - n)
        die("a text of more than 64 KiB");
}

/* The first room - 1 bytes of a file. */
static size_t read_file(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, room - 1, f) : 0;

    if (!f || ferror(f) || fclose(f))
        die(path);
    out[n] = '\0';
    return n;
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char piece[ROOM];
    size_t n = 0;

    if (!in || !out)
        die(to);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0)
        if (fwrite(piece, 1, n, out) != n)
            die(to);
    if (ferror(in) || fclose(in) || fclose(out))
        die(to);
}

/* Calls visit with every file below a folder, folders after what is in them, in the order of their
 * names. */
static void walk(const char *root, const char *inner, void (*visit)(void *, const char *, bool),
                 void *ctx)
{
    char folder[ROOM], name[ROOM], path[ROOM];
    struct dirent **list = NULL;
    struct stat info;
    int n;

    path_of(folder, root, inner);
    if ((n = scandir(folder, &list, NULL, alphasort)) < 0) {
        if (errno != ENOENT)
            die(folder);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->d_name, ".") != 0 && strcmp(list[i]->d_name, "..") != 0) {
            if (*inner)
                path_of(name, inner, list[i]->d_name);
            else if (snprintf(name, sizeof name, "%s", list[i]->d_name) >= ROOM)
                die(list[i]->d_name);
            path_of(path, root, name);
            if (lstat(path, &info))
                die(path);
            if (S_ISDIR(info.st_mode))
                walk(root, name, visit, ctx);
            visit(ctx, name, S_ISDIR(info.st_mode));
        }
        free(list[i]);
    }
    free(list);
}

static void remove_one(void *ctx, const char *name, bool is_folder)
{
    char path[ROOM];

    path_of(path, ctx, name);
    if (is_folder ? rmdir(path) : unlink(path))
        die(path);
}

static void copy_one(void *ctx, const char *name, bool is_folder)
{
    const sweep *s = ctx;
    char fresh[ROOM], out[ROOM], from[ROOM], to[ROOM];

    if (is_folder)
        return;
    path_of(fresh, s->work, "fresh");
    path_of(out, s->work, "out");
    path_of(from, fresh, name);
    path_of(to, out, name);
    copy_file(from, to);
}

static void begin_anew(sweep *s)
{
    char out[ROOM], fresh[ROOM];

    path_of(out, s->work, "out");
    path_of(fresh, s->work, "fresh");
    walk(out, "", remove_one, out);
    if (mkdir(out, 0777) && errno != EEXIST)
        die(out);
    walk(fresh, "", copy_one, s);
}

typedef struct listing {
    const char *root;
    result *to;
} listing;

/* SQLite's files beside a gallery come and go. */
static bool is_passing(const char *name)
{
    const char *dash = strrchr(name, '-');

    return dash && (strcmp(dash, "-wal") == 0 || strcmp(dash, "-shm") == 0);
}

static void list_one(void *ctx, const char *name, bool is_folder)
{
    listing *l = ctx;
    char path[ROOM], hash[CAFI_SHA256_TEXT] = "";
    unsigned char digest[CAFI_SHA256_SIZE];
    struct stat info;
    char *bytes = NULL;

    if (is_passing(name))
        return;
    path_of(path, l->root, name);
    if (!is_folder && !lstat(path, &info) && S_ISREG(info.st_mode)) {
        if (!(bytes = malloc((size_t)info.st_size + 1)))
            die("malloc");
        cafi_sha256_of(bytes, read_file(path, bytes, (size_t)info.st_size + 1), digest);
        cafi_sha256_hex(digest, hash);
        free(bytes);
    }
    add(l->to->files, name, "\n", "");
    add(l->to->content, name, " ", hash);
    add(l->to->content, "\n", "", "");
}

static void list_out(const sweep *s, result *r)
{
    char out[ROOM];

    path_of(out, s->work, "out");
    *r->files = *r->content = '\0';
    walk(out, "", list_one, &(listing){out, r});
}

/* Of the child: what tells its parent of each allocation, and how many there were. */
static volatile uint64_t *told_count;
static uint64_t *told_place;

/* The chain of calls that an allocation comes of, as a number (FNV-1a). */
static void tell_place(uint64_t number)
{
    void *chain[CHAIN];
    int n = backtrace(chain, CHAIN);
    uint64_t hash = 0xcbf29ce484222325;

    for (int i = 0; i < n; i++)
        hash = (hash ^ (uintptr_t)chain[i]) * 0x100000001b3;
    if (number > MOST_PLACES)
        die("more allocations than there is room for");
    told_place[number - 1] = hash;
    __atomic_fetch_add(told_count, 1, __ATOMIC_RELAXED); /* pipelines have threads */
}

/* In the child, whose exit is the command's: a sanitizer looks for leaks there. */
static void be_the_command(const sweep *s, uint64_t k)
{
    char path[ROOM];
    int status;

    path_of(path, s->work, "stdout");
    if (!freopen(path, "wb", stdout))
        die(path);
    path_of(path, s->work, "stderr");
    if (!freopen(path, "wb", stderr))
        die(path);
    told_count = s->failures;
    told_place = s->place;
    *s->failures = 0;
    cafi_mem_watch(k ? NULL : tell_place);
    if (k)
        cafi_mem_fail(k, 1);
    status = cli_dispatch(s->command, s->argc, s->argv);
    if (k)
        *s->failures = cafi_mem_failures();
    cafi_mem_watch(NULL);
    exit(status);
}

/* k 0: nothing fails, and the allocations are counted in failures. */
static void run(sweep *s, uint64_t k, result *r)
{
    char path[ROOM];
    pid_t child;

    begin_anew(s);
    fflush(stdout);
    if ((child = fork()) < 0)
        die("fork");
    if (child == 0)
        be_the_command(s, k);
    if (waitpid(child, &r->status, 0) != child)
        die("waitpid");
    path_of(path, s->work, "stdout");
    read_file(path, r->out, TEXT);
    path_of(path, s->work, "stderr");
    read_file(path, r->err, TEXT);
    list_out(s, r);
}

/* ---- what is right ----------------------------------------------------- */

/* Is this line, with its end, one of the text's? */
static bool has_line(const char *text, const char *line, size_t n)
{
    while (*text && strncmp(text, line, n) != 0)
        text += strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n');
    return *text != '\0';
}

/* One line alone that is not said ever, and it is about memory. */
static bool is_one_sentence(const result *r, const result *usual)
{
    size_t said = 0;
    bool right = true;

    for (const char *line = r->err; *line;) {
        size_t n = strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');

        if (!has_line(usual->err, line, n)) {
            const char *at = strstr(line, "out of memory");

            said++;
            right = right && at && at < line + n;
        }
        line += n;
    }
    return right && said == 1;
}

/* Is every file as it is of a run in which nothing fails? */
static bool are_whole(const result *r, const result *usual)
{
    for (const char *line = r->content; *line; line = strchr(line, '\n') + 1)
        if (!has_line(usual->content, line, (size_t)(strchr(line, '\n') - line) + 1))
            return false;
    return true;
}

/* NULL: it is right. */
static const char *judge(const sweep *s, const result *r)
{
    const char *before = s->keeps ? NULL : s->fresh;
    int status = WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -1;

    if (status < 0 || status > CLI_SKIPPED || status == CLI_USAGE)
        return "another end than status 0, 1 or 3";
    if (strstr(r->files, ".tmp-"))
        return "a temporary file is left";
    if (status == CLI_FAILED) {
        if (!is_one_sentence(r, &s->usual))
            return "no sentence, or more than one";
        if (*r->out && !s->talks)
            return "something is printed on stdout";
        if (s->keeps && !s->varies && !are_whole(r, &s->usual))
            return "a file is left that is not as ever";
        return before && strcmp(r->content, before) != 0 ? "something is left behind, or changed"
                                                         : NULL;
    }
    if (r->status != s->usual.status)
        return "another status than ever";
    if (strcmp(r->files, s->usual.files) != 0)
        return "status 0, but other files";
    if (!s->varies &&
        (strcmp(r->out, s->usual.out) != 0 || strcmp(r->content, s->usual.content) != 0))
        return "status 0, but other results";
    return NULL;
}

static bool tell(const result *r, uint64_t k, const char *wrong)
{
    if (wrong)
        printf("allocation %llu: %s (wait status %d)\n%.3000s\nfiles:\n%.1000s\n",
               (unsigned long long)k, wrong, r->status, r->err, r->files);
    return wrong == NULL;
}

/* ---- which of them ----------------------------------------------------- */

typedef struct asked {
    uint64_t place, k;
} asked;

static int by_place(const void *a, const void *b)
{
    const asked *x = a, *y = b;

    return x->place != y->place ? (x->place > y->place) - (x->place < y->place)
                                : (x->k > y->k) - (x->k < y->k);
}

/* Marks the first and the last of every chain of calls. */
static void mark_places(const sweep *s, uint64_t all, bool *chosen)
{
    asked *list = calloc(all + 1, sizeof *list);

    if (!list)
        die("calloc");
    for (uint64_t k = 1; k <= all; k++)
        list[k - 1] = (asked){s->place[k - 1], k};
    qsort(list, all, sizeof *list, by_place);
    for (uint64_t i = 0; i < all; i++)
        chosen[list[i].k] = i == 0 || i + 1 == all || list[i - 1].place != list[i].place ||
                            list[i + 1].place != list[i].place;
    free(list);
}

static void mark_spread(uint64_t most, uint64_t all, bool *chosen)
{
    uint64_t step = all > 2 * most ? (all - most) / most : 1;

    for (uint64_t k = 1; k <= all; k += k < most ? 1 : step)
        chosen[k] = true;
}

static int sweep_all(sweep *s, const char *most)
{
    result *r = calloc(1, sizeof *r);
    bool *chosen = NULL;
    uint64_t all, tried = 0, bad = 0;

    begin_anew(s);
    if (!r)
        die("calloc");
    list_out(s, r);
    add(s->fresh, r->content, "", "");
    run(s, 0, &s->usual);
    if (!WIFEXITED(s->usual.status) ||
        (WEXITSTATUS(s->usual.status) != CLI_OK && WEXITSTATUS(s->usual.status) != CLI_SKIPPED)) {
        printf("the command itself fails: wait status %d\n%s\n", s->usual.status, s->usual.err);
        return 1;
    }
    all = *s->failures;
    if (!(chosen = calloc(all + 1, sizeof *chosen)))
        die("calloc");
    if (strcmp(most, "places") == 0)
        mark_places(s, all, chosen);
    else
        mark_spread(strcmp(most, "all") == 0 ? all : strtoull(most, NULL, 10), all, chosen);
    for (uint64_t k = 1; k <= all; k++) {
        if (!chosen[k])
            continue;
        tried++;
        run(s, k, r);
        if (*s->failures)
            bad += !tell(r, k, judge(s, r));
    }
    printf("# %llu of %llu allocations failed, %llu wrongly\n", (unsigned long long)tried,
           (unsigned long long)all, (unsigned long long)bad);
    free(chosen);
    free(r);
    return bad != 0;
}

static const cli_command *find(int *argc, char ***argv)
{
    char name[ROOM];

    for (int words = 1; words <= 2 && words <= *argc; words++) {
        snprintf(name, sizeof name, "%s%s%s", (*argv)[0], words > 1 ? " " : "",
                 words > 1 ? (*argv)[1] : "");
        for (const cli_command *const *c = cli_commands; *c; c++)
            if (strcmp((*c)->name, name) == 0) {
                *argc -= words;
                *argv += words;
                return *c;
            }
    }
    fprintf(stderr, "no such command\n");
    exit(2);
}

/* The options in front of the command. */
static void read_options(sweep *s, int *argc, char ***argv)
{
    const struct {
        const char *name;
        bool *value;
    } known[] = {{"--talks", &s->talks}, {"--keeps", &s->keeps}, {"--varies", &s->varies}};

    for (; *argc > 0 && strncmp((*argv)[0], "--", 2) == 0; --*argc, ++*argv) {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp((*argv)[0], known[i].name) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            die((*argv)[0]);
        *known[i].value = true;
    }
}

/* Memory that a child shares. */
static void *shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    return p;
}

int main(int argc, char **argv)
{
    static sweep s;
    const char *most = argc > 2 ? argv[2] : "";

    if (argc < 4 || (strcmp(most, "all") && strcmp(most, "places") && !strtoull(most, NULL, 10)))
        return 2;
    s.work = argv[1];
    argc -= 3;
    argv += 3;
    read_options(&s, &argc, &argv);
    s.command = find(&argc, &argv);
    s.argc = argc;
    s.argv = argv;
    s.failures = shared(sizeof *s.failures);
    s.place = shared(MOST_PLACES * sizeof *s.place);
    return sweep_all(&s, most);
}
