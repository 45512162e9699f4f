#define _GNU_SOURCE
#include "math/blas.h"

#include <dlfcn.h>
#include <string.h>

/* A function pointer from dlsym, without the cast that ISO C forbids. */
static int find(const char *name, void *function_pointer, size_t size)
{
    void *address = dlsym(RTLD_DEFAULT, name);

    if (!address || size != sizeof address)
        return 0;
    memcpy(function_pointer, &address, sizeof address);
    return 1;
}

void cafi_blas_single_thread(void)
{
    static _Thread_local int done;
    int (*get_parallel)(void) = NULL;
    void (*set_threads)(int) = NULL;

    if (done)
        return;
    done = 1;
    if (!find("openblas_get_parallel", &get_parallel, sizeof get_parallel))
        return;
    switch (get_parallel()) {
    case 1:
        if (find("openblas_set_num_threads", &set_threads, sizeof set_threads))
            set_threads(1);
        break;
    case 2:
        if (find("omp_set_num_threads", &set_threads, sizeof set_threads))
            set_threads(1);
        break;
    default:
        break;
    }
}
