#include "train/restore_params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

bool cafi_restore_form_parse(cafi_restore_form *out, const char *text)
{
    for (int i = CAFI_RESTORE_PLAIN; i <= CAFI_RESTORE_EXCHANGE; i++)
        if (!strcmp(cafi_restore_form_name((cafi_restore_form)i), text)) {
            *out = (cafi_restore_form)i;
            return true;
        }
    return false;
}

caface_status cafi_restore_dims_make(cafi_restore_dims *out, cafi_restore_form form, size_t C,
                                     size_t S, caface_error *err)
{
    if (C < 1 || C > 65536 || S < 1 || S > 65536)
        return cafi_fail(err, CAFACE_EINVAL,
                         "features of %zu numbers and styles of %zu channels: both must be 1 to "
                         "65536",
                         C, S);
    *out = (cafi_restore_dims){.form = form,
                               .C = C,
                               .S = S,
                               .H = 64,
                               .rank = 64,
                               .rank2 = 32,
                               .K = form == CAFI_RESTORE_PLAIN ? 1 : 3,
                               .G = 32};
    return CAFACE_OK;
}

size_t cafi_restore_mix_width(const cafi_restore_dims *d)
{
    return d->K * (d->K - 1) / 2 + 2 * d->K + d->H + 1;
}

/* Walks the layout: the first time counts, the second fills items, and every time
 * each pointer of weights is set from base. Matrices and the rest are two walks. */
typedef struct walk {
    cafi_param *items; /* NULL: count only */
    float *base;       /* NULL: pointers are not set */
    size_t count, total;
    bool matrices;
} walk;

static void tensor(walk *w, float **to, const char *name, const char *end, int ndim, size_t a,
                   size_t b)
{
    size_t count = a * b;

    if ((ndim == 2) != w->matrices)
        return;
    if (w->items) {
        cafi_param *p = &w->items[w->count];

        *p = (cafi_param){.ndim = ndim, .count = count, .offset = w->total, .shape = {a, b, 1}};
        snprintf(p->name, sizeof p->name, "%s%s", name, end);
    }
    if (w->base)
        *to = w->base + w->total;
    w->count++;
    w->total += (count + 15) / 16 * 16;
}

static void linear(walk *w, cafi_affine *to, const char *name, size_t J, size_t K, bool bias)
{
    tensor(w, &to->w, name, ".weight", 2, J, K);
    if (bias)
        tensor(w, &to->b, name, ".bias", 1, J, 1);
}

static void walk_all(walk *w, const cafi_restore_dims *d, cafi_restore_weights *to)
{
    bool heads = d->form != CAFI_RESTORE_PLAIN;

    tensor(w, &to->pw, "pw", "", 0, 1, 1);
    linear(w, &to->sp, "sp", d->H, 2 * d->S, true);
    linear(w, &to->fp, "fp", d->H, d->C, true);
    linear(w, &to->t1, "t1", d->H, 2 + 2 * d->H, true);
    linear(w, &to->t2, "t2", d->H, d->H, true);
    linear(w, &to->hg, "hg", 1, d->H, true);
    linear(w, &to->b1, "b1", d->rank, d->C, false);
    linear(w, &to->bg, "bg", d->rank, d->H, true);
    linear(w, &to->b2, "b2", d->C, d->rank, false);
    if (heads) {
        tensor(w, &to->hb, "hb", "", 1, d->K, 1);
        linear(w, &to->hh, "hh", d->K, d->H, true);
        linear(w, &to->m1, "m1", d->G, cafi_restore_mix_width(d), true);
        linear(w, &to->m2, "m2", d->K, d->G, true);
    }
    if (d->form == CAFI_RESTORE_EXCHANGE) {
        linear(w, &to->e1, "e1.0", d->G, CAFI_RESTORE_AGREEMENTS + d->H, true);
        linear(w, &to->e2, "e2.0", 1, d->G, true);
    }
    if (d->rank2) {
        linear(w, &to->c1, "c1", d->rank2, d->C, false);
        linear(w, &to->cg, "cg", d->rank2, d->H + 1, true);
        linear(w, &to->c2, "c2", d->C, d->rank2, false);
    }
}

caface_status cafi_restore_params_new(cafi_restore_params *out, const cafi_restore_dims *dims,
                                      caface_error *err)
{
    walk w = {.matrices = true};
    cafi_restore_weights unused = {0};
    caface_status st;

    *out = (cafi_restore_params){.dims = *dims};
    walk_all(&w, dims, &unused);
    w.matrices = false;
    walk_all(&w, dims, &unused);
    if ((st = CAFI_NEW(&out->items, w.count, err)))
        return st;
    w = (walk){.items = out->items, .matrices = true};
    walk_all(&w, dims, &unused);
    out->decayed = w.total;
    w.matrices = false;
    walk_all(&w, dims, &unused);
    out->count = w.count;
    out->total = w.total;
    return CAFACE_OK;
}

void cafi_restore_params_free(cafi_restore_params *params)
{
    free(params->items);
    *params = (cafi_restore_params){0};
}

void cafi_restore_params_bind(const cafi_restore_params *params, float *base,
                              cafi_restore_weights *out)
{
    walk w = {.base = base, .matrices = true};

    *out = (cafi_restore_weights){0};
    walk_all(&w, &params->dims, out);
    w.matrices = false;
    walk_all(&w, &params->dims, out);
}

static bool begins(const char *name, const char *with)
{
    size_t n = strlen(with);

    return !strncmp(name, with, n) && name[n] == '.';
}

/* "pw, hb, sp, ...": the parts, each once. */
static void list_parts(const cafi_restore_params *params, char *to, size_t size)
{
    size_t used = 0;

    to[0] = '\0';
    for (size_t i = 0; i < params->count; i++) {
        int n = (int)strcspn(params->items[i].name, ".");
        bool known = false;

        for (size_t k = 0; k < i; k++)
            known |= !strncmp(params->items[k].name, params->items[i].name, (size_t)n) &&
                     (int)strcspn(params->items[k].name, ".") == n;
        if (!known && used + (size_t)n + 3 < size)
            used += (size_t)snprintf(to + used, size - used, "%s%.*s", used ? ", " : "", n,
                                     params->items[i].name);
    }
}

caface_status cafi_restore_params_parts(const cafi_restore_params *params, const char *names,
                                        caface_status (*each)(void *ctx, const cafi_param *item,
                                                              caface_error *err),
                                        void *ctx, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (const char *at = names; !st;) {
        size_t n = strcspn(at, ",");
        size_t found = 0;

        for (size_t i = 0; i < params->count && !st; i++) {
            const char *name = params->items[i].name;

            if (strcspn(name, ".") == n && !strncmp(name, at, n)) {
                found++;
                st = each(ctx, &params->items[i], err);
            }
        }
        if (!st && !found) {
            char parts[256];

            list_parts(params, parts, sizeof parts);
            return cafi_fail(err, CAFACE_EINVAL, "no part \"%.*s\" in this form: there are %s",
                             (int)(n < 40 ? n : 40), at, parts);
        }
        if (!at[n])
            break;
        at += n + 1;
    }
    return st;
}

/* The inputs of the linear layer that an item belongs to. */
static size_t inputs_of(const cafi_restore_params *params, const cafi_param *item)
{
    size_t n = strcspn(item->name, ".");

    if (item->ndim == 2)
        return item->shape[1];
    for (size_t i = 0; i < params->count; i++)
        if (params->items[i].ndim == 2 && !strncmp(params->items[i].name, item->name, n + 1))
            return params->items[i].shape[1];
    return 1;
}

void cafi_restore_params_init(const cafi_restore_params *params, float *base, uint64_t seed)
{
    static const char *const zero[] = {"b2", "c2", "hg", "hh", "e2"};
    const size_t K = params->dims.K;
    cafi_restore_weights w;

    memset(base, 0, params->total * sizeof *base);
    for (size_t i = 0; i < params->count; i++) {
        const cafi_param *p = &params->items[i];
        double bound = 1 / sqrt((double)inputs_of(params, p));
        cafi_rng rng = cafi_rng_at(seed, 0x7265, i, 0);
        bool keep = strchr(p->name, '.') != NULL;

        for (size_t z = 0; z < sizeof zero / sizeof *zero; z++)
            keep = keep && !begins(p->name, zero[z]);
        for (size_t k = 0; keep && k < p->count; k++)
            base[p->offset + k] = (float)cafi_rng_range(&rng, -bound, bound);
    }
    cafi_restore_params_bind(params, base, &w);
    *w.pw = 4;
    for (size_t k = 0; w.hb && k < K; k++) /* 0.3, 0.6, 1 */
        w.hb[k] = K > 1 ? (float)(0.3 * pow(1 / 0.3, (double)k / (double)(K - 1))) : 1.0f;
    if (w.hb && K == 3)
        w.hb[1] = 0.6f;
}
