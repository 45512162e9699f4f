/* A gallery whose writer is killed at any write to the disk, or finds the disk full: the file
 * opens, what was reported done is there, and nothing is half there. */
#define _GNU_SOURCE
#include "set_fixture.h"

#include <signal.h>
#include <stdbool.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caface/gallery.h"

enum { MOMENTS = 50, STEPS = 12 };

/* ---- a system that dies ------------------------------------------------------------------- */

static long writes, dies_at; /* 0: never */

static void live_or_die(void)
{
    if (++writes == dies_at)
        kill(getpid(), SIGKILL);
}

static ssize_t counted_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    live_or_die();
    return pwrite(fd, bytes, n, offset);
}

static ssize_t counted_write(int fd, const void *bytes, size_t n)
{
    live_or_die();
    return write(fd, bytes, n);
}

static int counted_truncate(int fd, off_t size)
{
    live_or_die();
    return ftruncate(fd, size);
}

static int counted_unlink(const char *path)
{
    live_or_die();
    return unlink(path);
}

static void watch(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)counted_pwrite), 0);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)counted_pwrite);
    vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)counted_write);
    vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)counted_truncate);
    vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)counted_unlink);
}

/* ---- what the writer does -------------------------------------------------------------------- */

static caface_status add(caface_gallery *g, const fixture *f, const char *name, size_t first,
                         size_t n, caface_error *err)
{
    caface_gallery_faces faces;

    caface_gallery_faces_init(&faces);
    faces.n = n;
    faces.C = C;
    faces.S = S;
    faces.feat = f->feat + first * C;
    faces.style = f->style + first * S * 2;
    return caface_gallery_add(g, name, &faces, NULL, err);
}

/* All of it is one transaction, as `gallery rebuild`. */
static caface_status rebuild(caface_gallery *g, const fixture *f, caface_error *err)
{
    caface_status st = caface_gallery_begin(g, err);

    (void)(st || (st = caface_gallery_reset(g, f->model, NULL, err)) ||
           (st = add(g, f, "Ann", 0, 50, err)) || (st = add(g, f, "Bob", 50, 50, err)) ||
           (st = add(g, f, "Cleo", 100, 50, err)) || (st = caface_gallery_commit(g, err)));
    return st;
}

static caface_status step(caface_gallery *g, const fixture *f, int which, caface_error *err)
{
    switch (which) {
    case 0:
        return add(g, f, "Ann", 0, 10, err);
    case 1:
        return add(g, f, "Bob", 10, 30, err);
    case 2:
        return add(g, f, "Ann", 40, 10, err);
    case 3:
        return add(g, f, "Anne", 50, 60, err);
    case 4:
        return caface_gallery_merge(g, "Ann", "Anne", err);
    case 5:
        return caface_gallery_rename(g, "Bob", "Bert", err);
    case 6:
        return add(g, f, "Cleo", 110, 20, err);
    case 7:
        return caface_gallery_remove(g, "Bert", err);
    case 8:
        return rebuild(g, f, err);
    case 9:
        return add(g, f, "Dan", 150, 40, err);
    case 10:
        return caface_gallery_merge(g, "Dan", "Cleo", err);
    default:
        return add(g, f, "Eve", 190, 40, err);
    }
}

/* The gallery after so many steps: people and faces; the pictures are as many as the faces. */
static const size_t people_after[STEPS + 1] = {0, 1, 2, 2, 3, 2, 2, 3, 2, 3, 4, 3, 4};
static const size_t faces_after[STEPS + 1] = {0,   10,  40,  50,  110, 110, 110,
                                              130, 100, 150, 190, 190, 230};

/* Does the steps, and reports each through the pipe when it is done. */
static void work(const fixture *f, const char *path, int pipe)
{
    caface_gallery *g = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_status st = caface_gallery_create(&g, path, f->model, NULL, &err);
    char done = 0;

    for (int i = 0; !st && i < STEPS; i++) {
        if (!(st = step(g, f, i, &err)))
            st = write(pipe, &done, 1) == 1 ? CAFACE_OK : CAFACE_EIO;
    }
    if (st)
        fprintf(stderr, "# %s\n", err.message);
    caface_gallery_close(g);
    _exit(st ? 1 : 0);
}

/* Runs the work in a child that dies at its moment-th write. Returns how many steps it
 * reported; *killed whether it died. */
static int run_child(const fixture *f, const char *path, long moment, bool *killed)
{
    int ends[2], status = 0, steps = 0;
    char done = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    if ((child = fork()) == 0) {
        close(ends[0]);
        watch();
        dies_at = moment;
        work(f, path, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &done, 1) == 1)
        steps++;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    *killed = WIFSIGNALED(status);
    if (!*killed)
        assert_int_equal(WEXITSTATUS(status), 0);
    return steps;
}

static int count_picture(void *ctx, const caface_gallery_picture *picture)
{
    (void)picture;
    ++*(size_t *)ctx;
    return 1;
}

/* The state is that after `steps` steps, or after one more that was not reported. */
static int check_state(const fixture *f, const char *path, int steps, long moment)
{
    caface_gallery *g = NULL;
    caface_gallery_info info;
    float tmpl[C], similarity[8];
    int64_t person[8];
    size_t pictures = 0;
    caface_error err = {CAFACE_OK, ""};
    int at = -1;

    if (caface_gallery_open(&g, path, f->model, 1, &err)) {
        if (steps) /* it was created: it opens */
            fail_msg("moment %ld, %d steps: %s", moment, steps, err.message);
        return 0;
    }
    EXPECT_OK(caface_gallery_get_info(g, &info, &err), err);
    for (int i = steps; i <= steps + 1 && i <= STEPS; i++)
        if (info.people == people_after[i] && info.faces == faces_after[i])
            at = i;
    if (at < 0)
        fail_msg("moment %ld, %d steps done: %zu people, %zu faces", moment, steps, info.people,
                 info.faces);
    EXPECT_OK(caface_gallery_pictures(g, NULL, 0, count_picture, &pictures, &err), err);
    assert_int_equal(pictures, info.faces);
    memcpy(tmpl, f->feat, sizeof tmpl);
    EXPECT_OK(caface_gallery_search(g, tmpl, 1, C, 8, person, similarity, &err), err);
    for (size_t i = 0; i < info.people; i++) { /* every state loads and fits its template */
        caface_set *set = NULL;

        EXPECT_OK(caface_gallery_set(g, caface_gallery_name(g, person[i]), &set, &err), err);
        caface_set_free(set);
    }
    caface_gallery_close(g);
    return at;
}

static void remove_gallery(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char name[1024];

    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* How many writes the whole work makes. */
static long count_writes(const fixture *f, const char *path)
{
    int ends[2], status = 0;
    long total = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    if ((child = fork()) == 0) {
        caface_gallery *g = NULL;
        caface_error err;

        watch();
        if (!caface_gallery_create(&g, path, f->model, NULL, &err))
            for (int i = 0; i < STEPS; i++)
                if (step(g, f, i, &err))
                    _exit(1);
        caface_gallery_close(g);
        _exit(write(ends[1], &writes, sizeof writes) == (ssize_t)sizeof writes ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &total, sizeof total), sizeof total);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return total;
}

static void test_killed(void **state)
{
    const fixture *f = *state;
    char path[1024];
    long total;
    int unreported = 0;

    snprintf(path, sizeof path, "%s", test_temp("killed.gallery"));
    total = count_writes(f, path);
    printf("# %ld writes\n", total);
    assert_true(total > MOMENTS);
    for (int m = 0; m < MOMENTS; m++) {
        long moment = 1 + (total - 1) * m / (MOMENTS - 1);
        bool killed = false;
        int steps, at;

        remove_gallery(path);
        steps = run_child(f, path, moment, &killed);
        assert_true(killed || steps == STEPS);
        at = check_state(f, path, steps, moment);
        unreported += at > steps;
        if (at > 0 && at < STEPS) { /* and it goes on from there */
            caface_gallery *g = NULL;
            caface_error err;

            EXPECT_OK(caface_gallery_open(&g, path, f->model, 1, &err), err);
            for (int i = at; i < STEPS; i++)
                EXPECT_OK(step(g, f, i, &err), err);
            caface_gallery_close(g);
            assert_int_equal(check_state(f, path, STEPS, moment), STEPS);
        }
    }
    printf("# %d moments, of which %d after a commit that was not reported yet\n", MOMENTS,
           unreported);
}

/* A file that may not grow is a full disk. */
static void test_full(void **state)
{
    const fixture *f = *state;
    char path[1024];
    struct rlimit limit = {96 * 1024, 96 * 1024};
    int status = 0;
    pid_t child;

    snprintf(path, sizeof path, "%s", test_temp("full.gallery"));
    fflush(NULL);
    if ((child = fork()) == 0) {
        caface_gallery *g = NULL;
        caface_error err = {CAFACE_OK, ""};
        int done = 0;

        signal(SIGXFSZ, SIG_IGN);
        if (caface_gallery_create(&g, path, f->model, NULL, &err) || step(g, f, 0, &err))
            _exit(100);
        setrlimit(RLIMIT_FSIZE, &limit);
        for (done = 1; done < STEPS; done++)
            if (step(g, f, done, &err))
                break;
        fprintf(stderr, "# %s\n", err.message);
        if (done == STEPS || err.status != CAFACE_EIO ||
            strncmp(err.message, path, strlen(path)) != 0)
            _exit(101);
        caface_gallery_close(g);
        _exit(done);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 1, STEPS - 1);
    assert_int_equal(check_state(f, path, WEXITSTATUS(status), -1), WEXITSTATUS(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
