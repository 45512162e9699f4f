/* Template lists, and the lists that name their templates: pairs and subjects. The bytes are
 * one of them, parted by a zero byte from the next. */
#include <stdlib.h>
#include <string.h>

#include "eval/pairs.h"
#include "eval/subject_list.h"
#include "fuzz.h"

static void check_error(const char *path, const caface_error *err)
{
    fuzz_check(strncmp(err->message, path, strlen(path)) == 0, "an error without its path");
}

static void read_pairs(const cafi_template_list *list, const uint8_t *data, size_t size)
{
    const char *path = fuzz_second_file(data, size);
    cafi_pair_list pairs;
    caface_error err;

    if (cafi_pairs_read(&pairs, path, list, NULL, &err)) {
        check_error(path, &err);
        return;
    }
    fuzz_check(pairs.genuine + pairs.impostor == pairs.count, "pairs of neither kind");
    for (size_t i = 0; i < pairs.count; i++)
        fuzz_check(cafi_pair_a(pairs.pairs[i]) < list->count && pairs.pairs[i].b < list->count,
                   "a pair of no template");
    cafi_pairs_free(&pairs);
}

static void read_subjects(const cafi_template_list *list, const uint8_t *data, size_t size)
{
    const char *path = fuzz_second_file(data, size);
    cafi_subject_list subjects;
    cafi_subject_book book = {0};
    caface_error err;

    if (cafi_subject_list_read(&subjects, path, list, &book, &err))
        check_error(path, &err);
    else {
        for (size_t i = 0; i < subjects.count; i++)
            fuzz_check(subjects.items[i].place < list->count &&
                           subjects.items[i].subject < book.names.count,
                       "an entry of no template or subject");
        cafi_subject_list_free(&subjects);
    }
    cafi_subject_book_free(&book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first = fuzz_parting(data, size);
    const char *path = fuzz_file(data, first);
    cafi_template_list list;
    caface_error err;

    if (cafi_template_list_read(&list, path, &err)) {
        check_error(path, &err);
        return 0;
    }
    for (size_t t = 0; t < list.count; t++)
        fuzz_check(list.first[t] < list.first[t + 1], "a template without a row");
    for (size_t i = 0; i < list.rows; i++)
        fuzz_check(list.order[i] < list.rows, "a row that is none");
    if (first < size) {
        const uint8_t *rest = data + first + 1;
        size_t left = size - first - 1;
        size_t second = fuzz_parting(rest, left);

        read_pairs(&list, rest, second);
        if (second < left)
            read_subjects(&list, rest + second + 1, left - second - 1);
    }
    cafi_template_list_free(&list);
    return 0;
}
