#include "program.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const char *test_tool_path(void)
{
    const char *path = getenv("CAFACE_TOOL");

    assert_non_null(path);
    return path;
}

test_program test_run(const char *path, const char *input, const char *const *arguments)
{
    test_program result = {0};
    char *argv[64] = {NULL};
    const char *out = test_temp("stdout");
    const char *err = test_temp("stderr");
    posix_spawn_file_actions_t actions;
    const char *emulator =
        getenv("MESON_EXE_WRAPPER"); /* set where another processor is built for */
    size_t count = 0;
    size_t size = 0;
    int status = 0;
    pid_t pid = 0;

    if (emulator)
        argv[count++] = strdup(emulator);
    argv[count++] = strdup(path);
    for (size_t i = 0; arguments[i]; i++) {
        assert_true(count + 1 < sizeof argv / sizeof *argv);
        argv[count++] = strdup(arguments[i]);
    }
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_addopen(&actions, 0, input ? input : "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t i = 0; i < count; i++)
        free(argv[i]);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = (char *)test_read(out, &result.out_size);
    result.err = (char *)test_read(err, &size);
    result.out = realloc(result.out, result.out_size + 1);
    result.err = realloc(result.err, size + 1);
    assert_true(result.out && result.err);
    result.out[result.out_size] = '\0';
    result.err[size] = '\0';
    return result;
}

void test_program_free(test_program *program)
{
    free(program->out);
    free(program->err);
    *program = (test_program){0};
}

void test_expect(int status, const char *const *words, const char *const *arguments,
                 const char *file, int line)
{
    test_program p = test_run(test_tool_path(), NULL, arguments);
    const char *text = status ? p.err : p.out;
    int ok = p.status == status;

    for (size_t i = 0; words[i]; i++)
        ok = ok && strstr(text, words[i]) != NULL;
    if (!ok) {
        print_error("%s:%d: status %d, want %d\nstdout: %sstderr: %s\n", file, line, p.status,
                    status, p.out, p.err);
        for (size_t i = 0; words[i]; i++)
            if (!strstr(text, words[i]))
                print_error("not in it: %s\n", words[i]);
    }
    test_program_free(&p);
    assert_true(ok);
}
