/* Running the tool, or another program of the build, from a test. */
#ifndef CAFACE_TESTS_PROGRAM_H
#define CAFACE_TESTS_PROGRAM_H

#include "check.h"

/* What a finished program left: free with test_program_free. */
typedef struct test_program {
    int status; /* exit status; 128 + the signal that ended it */
    char *out;  /* standard output, NUL-terminated */
    size_t out_size;
    char *err; /* standard error */
} test_program;

/* Runs the tool with these arguments, a NULL-terminated list, its standard
 * input empty. */
#define test_tool(...) test_run(test_tool_path(), NULL, (const char *const[]){__VA_ARGS__, NULL})
/* The tool, of the environment variable CAFACE_TOOL; fails the test without. */
const char *test_tool_path(void);
/* input is a file for standard input, or NULL. */
test_program test_run(const char *path, const char *input, const char *const *arguments);
void test_program_free(test_program *program);

/* Runs the tool, expects the status, and every given word in what it printed on
 * stderr (or stdout, for status 0). */
#define EXPECT_TOOL(status, words, ...)                                                            \
    test_expect(status, (const char *const[]){words, NULL},                                        \
                (const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
void test_expect(int status, const char *const *words, const char *const *arguments,
                 const char *file, int line);

#endif
