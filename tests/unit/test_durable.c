/* What a call reported as done survives a power cut: the bytes of a file are on the
 * disk before it takes its name, and the name is before the call returns. The
 * system calls are watched; a file system may lose all that was not made sure of. */
#define _GNU_SOURCE /* syscall, syncfs */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files/feature_set_write.h"
#include "files/npy.h"
#include "files/output.h"
#include "files/recordio.h"

enum { MOST = 64 };

static struct stat synced[MOST];  /* files and folders, as they were when made sure of */
static struct stat renamed[MOST]; /* folders in which a name changed and may be lost */
static int synced_count, renamed_count, names, wholes;

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* These stand before libc's. */
int fsync(int fd)
{
    struct stat info;
    int result = (int)syscall(SYS_fsync, fd);

    assert_int_equal(fstat(fd, &info), 0);
    assert_true(synced_count < MOST);
    synced[synced_count++] = info;
    for (int i = 0; !result && i < renamed_count; i++)
        if (same(&renamed[i], &info))
            renamed[i--] = renamed[--renamed_count];
    return result;
}

static bool is_synced(const char *path)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    for (int i = synced_count; i-- > 0;)
        if (same(&synced[i], &info))
            return S_ISDIR(info.st_mode) || (info.st_size == synced[i].st_size &&
                                             info.st_mtim.tv_sec == synced[i].st_mtim.tv_sec &&
                                             info.st_mtim.tv_nsec == synced[i].st_mtim.tv_nsec);
    return false;
}

static void check_content(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char file[1024];

    if (!is_synced(path))
        fail_msg("%s takes its name before it is on the disk", path);
    while (dir && (entry = readdir(dir))) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && !is_synced(file))
            fail_msg("%s takes its name before it is on the disk", file);
    }
    if (dir)
        closedir(dir);
}

int rename(const char *from, const char *to)
{
    char folder[1024];
    bool aside = strlen(to) > 4 && strcmp(to + strlen(to) - 4, ".old") == 0;

    if (access(from, F_OK) == 0 && !aside)
        check_content(from);
    snprintf(folder, sizeof folder, "%s", to);
    *strrchr(folder, '/') = '\0';
    assert_true(renamed_count < MOST);
    assert_int_equal(stat(folder, &renamed[renamed_count++]), 0);
    names++;
    return (int)syscall(SYS_renameat2, -100 /* AT_FDCWD */, from, -100, to, 0);
}

int syncfs(int fd)
{
    wholes++;
    return (int)syscall(SYS_syncfs, fd);
}

static void expect_done(int at_least)
{
    if (renamed_count)
        fail_msg("%d names may be lost", renamed_count);
    assert_true(names >= at_least);
    names = synced_count = 0;
}

static void files_survive(void **state)
{
    static const size_t shape[] = {2, 3};
    static const float rows[2][3] = {{1, 2, 3}, {4, 5, 6}};
    cafi_record_writer *w = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_output_save(test_temp("file"), "text", 4, &err), err);
    EXPECT_OK(cafi_output_save(test_temp("file"), "other", 5, &err), err);
    expect_done(2);
    EXPECT_OK(cafi_npy_save(test_temp("a.npy"), CAFI_F32, 2, shape, rows, &err), err);
    expect_done(1);
    EXPECT_OK(cafi_record_begin(&w, test_temp("train"), &err), err);
    EXPECT_OK(cafi_record_append(w, 0, 1.0f, "a/b.jpg", "bytes", 5, &err), err);
    EXPECT_OK(cafi_record_commit(w, &err), err);
    expect_done(3);
}

static void sets_survive(void **state)
{
    static const float f[2] = {1, 2};
    static const char *const columns[] = {"source"};
    static const char *const fields[] = {"a.jpg"};
    const cafi_set_layout layout = {2, 0, 0, CAFI_F32, columns, 1};
    const cafi_set_info info = {.backbone = "x"};
    caface_error err;

    (void)state;
    for (int i = 0; i < 2; i++) { /* the second replaces the first */
        cafi_set_writer *w = NULL;

        EXPECT_OK(cafi_set_begin(&w, test_temp("set"), &layout, &err), err);
        EXPECT_OK(cafi_set_append(w, 1, f, NULL, NULL, fields, &err), err);
        EXPECT_OK(cafi_set_commit(w, &info, &err), err);
        expect_done(4);
    }
}

/* Thousands of files are made sure of at once. */
static void many_survive_together(void **state)
{
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_output_sync(test_temp("%s", ""), &err), err);
    assert_int_equal(wholes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_survive),
        cmocka_unit_test(sets_survive),
        cmocka_unit_test(many_survive_together),
    };
    return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
