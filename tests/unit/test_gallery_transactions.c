/* Transactions of galleries: what an error, a rollback and a reset leave behind, and what others
 * see meanwhile. */
#include "gallery_fixture.h"

/* An error undoes a transaction; nobody else sees it before it is committed. */
static void test_transactions(void **state)
{
    const fixture *f = *state;
    const char *path = gallery_path();
    caface_gallery *g = gallery_new(f, path, CAFACE_METHOD_AVERAGE, 0), *reader = NULL;
    caface_error err;

    gallery_add(g, f, "Ann", 0, 2);
    EXPECT_OK(caface_gallery_open(&reader, path, NULL, 0, &err), err);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_FAIL(caface_gallery_begin(g, &err), CAFACE_EINVAL, err, "already");
    gallery_add(g, f, "Bob", 2, 2);
    assert_true(gallery_info_of(g).people == 2 && gallery_info_of(reader).people == 1);
    EXPECT_FAIL(caface_gallery_remove(g, "nobody", &err), CAFACE_EINVAL, err, "nobody");
    assert_int_equal(gallery_info_of(g).people, 1);
    EXPECT_FAIL(caface_gallery_commit(g, &err), CAFACE_EINVAL, err, "begun");
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    gallery_add(g, f, "Bob", 2, 2);
    caface_gallery_rollback(g);
    assert_int_equal(gallery_info_of(g).people, 1);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    gallery_add(g, f, "Bob", 2, 2);
    EXPECT_OK(caface_gallery_commit(g, &err), err);
    assert_int_equal(gallery_info_of(reader).people, 2);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_OK(caface_gallery_remove(g, "Bob", &err), err);
    caface_gallery_close(g); /* with the transaction open */
    assert_int_equal(gallery_info_of(reader).people, 2);
    caface_gallery_close(reader);
}

/* A reader's transaction sees one state of things. */
static void test_snapshot(void **state)
{
    const fixture *f = *state;
    const char *path = gallery_path();
    caface_gallery *g = gallery_new(f, path, CAFACE_METHOD_AVERAGE, 0), *reader = NULL;
    caface_error err;

    gallery_add(g, f, "Ann", 0, 2);
    EXPECT_OK(caface_gallery_open(&reader, path, NULL, 0, &err), err);
    EXPECT_OK(caface_gallery_begin(reader, &err), err);
    assert_int_equal(gallery_info_of(reader).people, 1);
    gallery_add(g, f, "Bob", 2, 2);
    assert_int_equal(gallery_info_of(reader).people, 1);
    EXPECT_OK(caface_gallery_commit(reader, &err), err);
    assert_int_equal(gallery_info_of(reader).people, 2);
    caface_gallery_close(reader);
    caface_gallery_close(g);
}

/* Everybody out, and another model in; undone, the old one works. */
static void test_reset(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery_new(f, gallery_path(), CAFACE_METHOD_CAFACE, 512);
    caface_error err;

    gallery_add(g, f, "Ann", 0, 3);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_OK(caface_gallery_reset(g, f->other, NULL, &err), err);
    gallery_add(g, f, "Bob", 3, 3);
    caface_gallery_rollback(g);
    gallery_add(g, f, "Ann", 3, 3);
    assert_true(gallery_info_of(g).people == 1 && gallery_info_of(g).faces == 6);
    EXPECT_OK(caface_gallery_reset(g, NULL, NULL, &err), err);
    assert_true(gallery_info_of(g).people == 0 &&
                gallery_info_of(g).method == CAFACE_METHOD_AVERAGE && !*gallery_info_of(g).model);
    gallery_add(g, f, "Ann", 0, 3);
    caface_gallery_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests_name("gallery_transactions", tests, fixture_set_up,
                                       fixture_tear_down);
}
