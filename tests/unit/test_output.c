#define _XOPEN_SOURCE 700 /* symlink, lstat */
/* A result appears whole or not at all. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sha256.h"
#include "files/bytes.h"
#include "files/output.h"

static int entries(void)
{
    DIR *folder = opendir(test_temp("%s", ""));
    int n = 0;

    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 2;
}

static void expect_text(const char *path, const char *want)
{
    size_t size = 0;
    unsigned char *got = test_read(path, &size);

    assert_int_equal(size, strlen(want));
    assert_memory_equal(got, want, size);
    free(got);
}

static void commit_replaces_and_abort_does_not(void **state)
{
    const char *path = test_temp("out");
    int before = entries();
    struct stat info;
    cafi_output *o = NULL;
    caface_error err;
    mode_t mask = umask(027);

    (void)state;
    EXPECT_OK(cafi_output_save(path, "first", 5, &err), err);
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    EXPECT_OK(cafi_output_open(&o, path, &err), err);
    EXPECT_OK(cafi_output_write(o, "xx", 2, &err), err);
    expect_text(path, "first");
    cafi_output_abort(o);
    expect_text(path, "first");
    EXPECT_OK(cafi_output_open(&o, path, &err), err);
    EXPECT_OK(cafi_output_write(o, "second!", 7, &err), err);
    EXPECT_OK(cafi_output_patch(o, 1, "E", 1, &err), err);
    EXPECT_FAIL(cafi_output_patch(o, 7, "E", 1, &err), CAFACE_EINVAL, err, "7 written");
    EXPECT_OK(cafi_output_write(o, "?", 1, &err), err);
    EXPECT_OK(cafi_output_commit(o, &err), err);
    expect_text(path, "sEcond!?");
    assert_int_equal(entries(), before + 1);
    cafi_output_abort(NULL);
}

static void large_writes_pass_the_buffer(void **state)
{
    enum { SIZE = 1 << 20 };
    unsigned char *data = malloc(SIZE);
    unsigned char *got = NULL;
    test_rng rng = {test_seed()};
    cafi_output *o = NULL;
    size_t size = 0;
    caface_error err;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)test_next(&rng);
    EXPECT_OK(cafi_output_open(&o, test_temp("large"), &err), err);
    for (size_t at = 0; at < SIZE;) {
        size_t n = test_below(&rng, 150000);

        n = n < SIZE - at ? n : SIZE - at;
        EXPECT_OK(cafi_output_write(o, data + at, n, &err), err);
        at += n;
    }
    EXPECT_OK(cafi_output_commit(o, &err), err);
    got = test_read(test_temp("large"), &size);
    assert_int_equal(size, SIZE);
    assert_memory_equal(got, data, SIZE);
    free(got);
    free(data);
}

/* In the file, the hash and the caller's memory, whatever this machine is. */
static void numbers_are_little_endian(void **state)
{
    enum { MANY = 3000 };
    static const unsigned char want[] = {4, 3, 2, 1, 0, 0, 128, 63};
    const char *path = test_temp("numbers");
    uint32_t four[2] = {0x01020304u, 0x3f800000u};
    uint64_t eight[MANY];
    float one = 1.0f;
    unsigned char digest[2][CAFI_SHA256_SIZE];
    unsigned char *got = NULL;
    cafi_sha256 hash;
    cafi_output *o = NULL;
    caface_error err;
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        eight[i] = i * 0x0102030405060708u;
    EXPECT_OK(cafi_output_open(&o, path, &err), err);
    EXPECT_OK(cafi_output_write_numbers(o, four, 2, 4, &err), err);
    EXPECT_OK(cafi_output_write_numbers(o, eight, MANY, 8, &err), err);
    EXPECT_OK(cafi_output_commit(o, &err), err);
    got = test_read(path, &size);
    assert_int_equal(size, 8 + 8 * MANY);
    assert_memory_equal(got, want, 8);
    for (size_t i = 0; i < MANY; i++)
        for (unsigned b = 0; b < 8; b++)
            assert_int_equal(got[8 + 8 * i + b], (unsigned char)(eight[i] >> (8 * b)));
    free(got);
    cafi_sha256_begin(&hash);
    cafi_sha256_add_f32(&hash, &one, 1);
    cafi_sha256_add_u64(&hash, eight[1]);
    cafi_sha256_end(&hash, digest[0]);
    cafi_sha256_of((const unsigned char[]){0, 0, 128, 63, 8, 7, 6, 5, 4, 3, 2, 1}, 12, digest[1]);
    assert_memory_equal(digest[0], digest[1], CAFI_SHA256_SIZE);
    cafi_put_numbers((unsigned char *)four, four, 2, 4);
    assert_memory_equal(four, want, 8);
}

static void failures_name_the_path(void **state)
{
    caface_error err;
    int before = entries();

    (void)state;
    EXPECT_FAIL(cafi_output_save(test_temp("no/such/folder"), "x", 1, &err), CAFACE_EIO, err,
                "no/such/folder");
    EXPECT_FAIL(cafi_output_save("/tmp", "x", 1, &err), CAFACE_EIO, err, "is a folder");
    EXPECT_OK(cafi_output_save("/dev/null", "x", 1, &err), err);
    assert_int_equal(access("/dev/null", W_OK), 0);
    if (access("/dev/full", W_OK) == 0)
        EXPECT_FAIL(cafi_output_save("/dev/full", "x", 1, &err), CAFACE_EIO, err, "/dev/full",
                    "No space");
    assert_int_equal(entries(), before);
}

static void links_keep_pointing(void **state)
{
    struct stat info;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_output_save(test_temp("target"), "old", 3, &err), err);
    assert_int_equal(symlink("target", test_temp("link")), 0);
    EXPECT_OK(cafi_output_save(test_temp("link"), "new", 3, &err), err);
    expect_text(test_temp("target"), "new");
    assert_int_equal(lstat(test_temp("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

/* A link that another user planted is not followed; a chain of one's own is. What a
 * link names may be yet to come, and a link to a folder is that folder. */
static void planted_links_are_refused(void **state)
{
    struct stat info;
    caface_error err;
    bool made = false;

    (void)state;
    assert_int_equal(symlink("second", test_temp("first")), 0);
    assert_int_equal(symlink(test_temp("new"), test_temp("second")), 0);
    EXPECT_OK(cafi_output_save(test_temp("first"), "new", 3, &err), err);
    expect_text(test_temp("new"), "new");
    assert_int_equal(lstat(test_temp("second"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(symlink("round", test_temp("round")), 0);
    EXPECT_FAIL(cafi_output_save(test_temp("round"), "x", 1, &err), CAFACE_EIO, err, "links");
    assert_int_equal(mkdir(test_temp("there"), 0777), 0);
    assert_int_equal(symlink("there", test_temp("folder")), 0);
    EXPECT_OK(cafi_output_folder(test_temp("folder"), &made, &err), err);
    assert_false(made);
    EXPECT_OK(cafi_output_folder(test_temp("made"), &made, &err), err);
    assert_true(made);
    EXPECT_FAIL(cafi_output_folder(test_temp("new"), &made, &err), CAFACE_EIO, err, "not a folder");
    if (geteuid() != 0)
        return; /* only root can give a link away */
    assert_int_equal(lchown(test_temp("second"), 12345, 12345), 0);
    EXPECT_FAIL(cafi_output_save(test_temp("first"), "bad", 3, &err), CAFACE_EIO, err, "first",
                "another user");
    expect_text(test_temp("new"), "new");
    assert_int_equal(lchown(test_temp("folder"), 12345, 12345), 0);
    EXPECT_FAIL(cafi_output_folder(test_temp("folder"), &made, &err), CAFACE_EIO, err,
                "another user");
}

/* What is written comes of a mapped file that somebody cuts short. */
static void mapped_bytes_that_are_gone(void **state)
{
    enum { SIZE = 1 << 22 };
    int fd = open(test_temp("mapped"), O_RDWR | O_CREAT, 0600);
    void *bytes = NULL;
    caface_error err;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    bytes = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    assert_int_equal(ftruncate(fd, SIZE / 2), 0);
    EXPECT_FAIL(cafi_output_save(test_temp("copy"), bytes, SIZE, &err), CAFACE_EIO, err, "copy",
                "cut short");
    assert_int_not_equal(access(test_temp("copy"), F_OK), 0);
    munmap(bytes, SIZE);
    close(fd);
}

/* A pipe of somebody else's in a shared folder. */
static void planted_pipes_are_refused(void **state)
{
    caface_error err;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(test_temp("shared"), 0777), 0);
    assert_int_equal(chmod(test_temp("shared"), 01777), 0);
    assert_int_equal(mkfifo(test_temp("shared/pipe"), 0666), 0);
    assert_int_equal(chown(test_temp("shared/pipe"), 12345, 12345), 0);
    EXPECT_FAIL(cafi_output_save(test_temp("shared/pipe"), "x", 1, &err), CAFACE_EIO, err, "pipe",
                "another user");
}

/* What a killed program left is used again; what a living one writes is not touched. */
static void leftovers_are_used_again(void **state)
{
    const char *path = test_temp("again");
    int before = entries();
    cafi_output *a = NULL;
    cafi_output *b = NULL;
    caface_error err;
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        if (!cafi_output_open(&a, path, NULL))
            cafi_output_write(a, "half of", 7, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(entries(), before + 1);
    EXPECT_OK(cafi_output_open(&a, path, &err), err);
    EXPECT_OK(cafi_output_write(a, "one", 3, &err), err);
    assert_int_equal(entries(), before + 1);
    EXPECT_OK(cafi_output_open(&b, path, &err), err);
    EXPECT_OK(cafi_output_write(b, "two", 3, &err), err);
    cafi_output_sweep(path);
    assert_int_equal(entries(), before + 2);
    EXPECT_OK(cafi_output_commit(a, &err), err);
    expect_text(path, "one");
    EXPECT_OK(cafi_output_commit(b, &err), err);
    expect_text(path, "two");
    assert_int_equal(entries(), before + 1);
    test_write(test_temp("again.tmp-00000a"), "x", 1);
    cafi_output_sweep(path);
    assert_int_equal(entries(), before + 1);
}

/* The longest name that there is; its temporary one is not longer. */
static void long_names_fit(void **state)
{
    char name[256];
    caface_error err;

    (void)state;
    memset(name, 'n', 255);
    name[255] = '\0';
    EXPECT_OK(cafi_output_save(test_temp("%s", name), "x", 1, &err), err);
    expect_text(test_temp("%s", name), "x");
    EXPECT_FAIL(cafi_output_save(test_temp("%sn", name), "x", 1, &err), CAFACE_EIO, err,
                "too long");
}

static void a_folder_is_held_by_one(void **state)
{
    int lock = -1;
    int other = -1;
    caface_error err;

    (void)state;
    assert_int_equal(mkdir(test_temp("held"), 0777), 0);
    EXPECT_OK(cafi_output_hold(&lock, test_temp("held"), &err), err);
    EXPECT_FAIL(cafi_output_hold(&other, test_temp("held"), &err), CAFACE_EIO, err, "another run");
    cafi_output_release(other);
    cafi_output_release(lock);
    EXPECT_OK(cafi_output_hold(&lock, test_temp("held"), &err), err);
    cafi_output_release(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_replaces_and_abort_does_not),
        cmocka_unit_test(large_writes_pass_the_buffer),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(failures_name_the_path),
        cmocka_unit_test(links_keep_pointing),
        cmocka_unit_test(planted_links_are_refused),
        cmocka_unit_test(planted_pipes_are_refused),
        cmocka_unit_test(mapped_bytes_that_are_gone),
        cmocka_unit_test(leftovers_are_used_again),
        cmocka_unit_test(long_names_fit),
        cmocka_unit_test(a_folder_is_held_by_one),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
