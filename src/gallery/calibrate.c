/* Thresholds of a gallery: measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "base/sized.h"
#include "files/names.h"
#include "gallery/calibration.h"
#include "gallery/gallery.h"

/* Of found probes so many are needed to say what evidence they have, and this share may have
 * less. */
#define LEAST_FOUND 20
#define RUINED_SHARE 0.05

void caface_gallery_probes_init_sized(caface_gallery_probes *probes, size_t size)
{
    caface_gallery_probes own = {.size = size};

    cafi_sized_out(probes, size, &own, sizeof own);
}

void caface_gallery_calibrate_options_init_sized(caface_gallery_calibrate_options *options,
                                                 size_t size)
{
    caface_gallery_calibrate_options own = {.size = size, .resamples = 200, .seed = 1};

    cafi_sized_out(options, size, &own, sizeof own);
}

/* ---- scores of different people ------------------------------------------------------------ */

/* What measuring holds. */
typedef struct measuring {
    caface_gallery *g;
    caface_gallery_probes probes;
    bool against_itself;
    uint32_t *subject; /* [probes] */
    size_t *rows;      /* [people] of the gallery that are taken */
    size_t row_count;
    cafi_impostors impostors;
    size_t room;
    bool *found; /* [probes] */
} measuring;

static double unit_dot(const float *tmpl, const float *probe, size_t C)
{
    double dot = 0.0, length = 0.0;

    for (size_t c = 0; c < C; c++) {
        dot += (double)tmpl[c] * probe[c];
        length += (double)probe[c] * probe[c];
    }
    return length > 0.0 ? dot / sqrt(length) : 0.0;
}

/* Subjects are the people of the gallery by their place, then the others by name, and those of
 * whom there is one probe. */
static caface_status number_subjects(measuring *m, caface_error *err)
{
    const cafi_gallery_templates *t = &m->g->templates;
    cafi_names names = {0};
    size_t next = t->count, old = CAFI_NO_NAME;
    caface_status st = CAFI_NEW(&m->subject, m->probes.n, err);

    for (size_t i = 0; !st && i < t->count; i++)
        st = cafi_names_add(&names, t->names[i], strlen(t->names[i]), i, &old, err);
    for (size_t i = 0; !st && i < m->probes.n; i++) {
        const char *name = m->probes.person ? m->probes.person[i] : NULL;

        old = CAFI_NO_NAME;
        if (m->against_itself)
            old = i;
        else if (name)
            st = cafi_names_add(&names, name, strlen(name), next, &old, err);
        m->subject[i] = (uint32_t)(old == CAFI_NO_NAME ? next++ : old);
    }
    cafi_names_free(&names);
    m->impostors.subjects = next;
    return st;
}

/* Of too many pairs fewer people of the gallery are taken, at random. */
static caface_status choose_rows(measuring *m, uint64_t seed, caface_error *err)
{
    size_t people = m->g->templates.count, most = CAFI_MAX_PAIRS / m->probes.n;
    cafi_rng rng = cafi_rng_at(seed, UINT64_MAX, 0, 0);
    caface_status st = CAFI_NEW(&m->rows, people, err);

    if (m->against_itself)
        most *= 2;
    if (!most)
        most = 1;
    for (size_t i = 0; !st && i < people; i++)
        m->rows[i] = i;
    m->row_count = people < most ? people : most;
    for (size_t i = 0; !st && m->row_count < people && i < m->row_count; i++) {
        size_t other = i + (size_t)cafi_rng_below(&rng, people - i), kept = m->rows[i];

        m->rows[i] = m->rows[other];
        m->rows[other] = kept;
    }
    return st;
}

static caface_status score_probe(measuring *m, size_t i, caface_error *err)
{
    const cafi_gallery_templates *t = &m->g->templates;
    const float *probe = m->probes.templates + i * m->probes.C;
    size_t C = m->probes.C, best = SIZE_MAX;
    double most = -INFINITY;
    caface_status st =
        CAFI_GROW(&m->impostors.pairs, &m->room, m->impostors.count + m->row_count, err);

    for (size_t k = 0; !st && k < m->row_count; k++) {
        size_t row = m->rows[k];
        double s = unit_dot(t->vectors + row * C, probe, C);

        if (s > most) {
            most = s;
            best = row;
        }
        if (row == m->subject[i] || (m->against_itself && row < i))
            continue;
        m->impostors.pairs[m->impostors.count++] =
            (cafi_impostor){(float)s, m->subject[i], (uint32_t)row};
    }
    m->found[i] = !m->against_itself && best == m->subject[i];
    return st;
}

static caface_status measure(measuring *m, const caface_gallery_calibrate_options *o,
                             caface_error *err)
{
    cafi_impostors *p = &m->impostors;
    caface_status st = CAFACE_OK;

    (void)((st = number_subjects(m, err)) || (st = choose_rows(m, o->seed, err)) ||
           (st = CAFI_NEW(&m->found, m->probes.n, err)) ||
           (st = CAFI_NEW(&p->probe_rows, p->subjects, err)) ||
           (st = CAFI_NEW(&p->gallery_rows, p->subjects, err)));
    if (st)
        return st;
    p->each_once = m->against_itself;
    for (size_t k = 0; k < m->row_count; k++)
        p->gallery_rows[m->rows[k]]++;
    for (size_t i = 0; !st && i < m->probes.n; i++) {
        p->probe_rows[m->subject[i]]++;
        st = score_probe(m, i, err);
        st = st ? st : cafi_calibrate_tell(o, i + 1, err);
    }
    if (!st && !p->count)
        st =
            cafi_fail(err, CAFACE_EINVAL, "there is no pair of different people to calibrate with");
    if (!st)
        cafi_impostors_sort(p);
    return st;
}

/* ---- what else is learnt --------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median number of faces, and the evidence that most of those who were found have. */
static caface_status learn(const measuring *m, caface_gallery_calibration *c, caface_error *err)
{
    double *values = NULL;
    size_t n = m->probes.n, kept = 0;
    caface_status st = CAFI_NEW(&values, n, err);

    c->faces = c->evidence = (double)NAN;
    if (st)
        return st;
    for (size_t i = 0; m->probes.faces && i < n; i++)
        values[i] = (double)m->probes.faces[i];
    if (m->probes.faces) {
        qsort(values, n, sizeof *values, ascending);
        c->faces = values[n / 2];
    }
    for (size_t i = 0; i < n; i++) {
        c->found += m->found[i];
        if (m->found[i] && m->probes.evidence && !isnan(m->probes.evidence[i]))
            values[kept++] = m->probes.evidence[i];
    }
    if (kept >= LEAST_FOUND) {
        qsort(values, kept, sizeof *values, ascending);
        c->evidence = values[(size_t)(RUINED_SHARE * (double)kept)];
    }
    free(values);
    return CAFACE_OK;
}

/* ---- calibrating ----------------------------------------------------------------------- */

static caface_status check_probes(const measuring *m, caface_error *err)
{
    const caface_gallery *g = m->g;

    if (!m->probes.n || !m->probes.templates || !g->templates.count)
        return cafi_fail(err, CAFACE_EINVAL,
                         "there is no pair of different people to calibrate "
                         "with");
    if (m->probes.C != g->identity.set.width)
        return cafi_fail(err, CAFACE_EMODEL, "its templates have %zu numbers, the probes %zu",
                         g->identity.set.width, m->probes.C);
    if (m->probes.n > CAFI_MAX_PAIRS || g->templates.count > UINT32_MAX / 2)
        return cafi_fail(err, CAFACE_ELIMIT, "%zu probes, at most %d are compared", m->probes.n,
                         CAFI_MAX_PAIRS);
    for (size_t i = 0; i < m->probes.n; i++)
        if (!isfinite(
                unit_dot(g->templates.vectors, m->probes.templates + i * m->probes.C, m->probes.C)))
            return cafi_fail(err, CAFACE_EINVAL, "probe %zu holds NaN or Inf", i);
    return CAFACE_OK;
}

static caface_status calibrate(measuring *m, const caface_gallery_calibrate_options *o,
                               caface_gallery_calibration **out, caface_error *err)
{
    const caface_gallery *g = m->g;
    const char *kind = o->kind ? o->kind : m->against_itself ? "gallery" : "probes";
    const char *method = o->method ? o->method : caface_method_name(g->identity.set.method);
    caface_gallery_calibration *c = NULL;
    caface_status st = CAFI_NEW(&c, 1, err);

    (void)(st || (st = cafi_gallery_calibration_check(method, kind, err)) ||
           (st = check_probes(m, err)) || (st = measure(m, o, err)) || (st = learn(m, c, err)) ||
           (st = cafi_impostors_thresholds(&m->impostors, o, m->probes.n, c->thresholds, err)) ||
           (st = cafi_impostors_curve(&m->impostors, &c->curve, &c->points, err)) ||
           (st = cafi_strdup(&c->kind, kind, err)) || (st = cafi_strdup(&c->method, method, err)) ||
           (st = cafi_strdup(&c->model, o->model ? o->model : "", err)));
    *out = c;
    if (st)
        return st;
    c->made = (int64_t)time(NULL);
    c->people = m->row_count;
    c->probes = m->probes.n;
    c->pairs = m->impostors.count;
    return CAFACE_OK;
}

static void tear_down(measuring *m)
{
    free(m->subject);
    free(m->rows);
    free(m->found);
    free(m->impostors.pairs);
    free(m->impostors.probe_rows);
    free(m->impostors.gallery_rows);
}

caface_status caface_gallery_calibrate(caface_gallery *g, const caface_gallery_probes *probes,
                                       const caface_gallery_calibrate_options *options,
                                       caface_error *err)
{
    caface_gallery_calibrate_options o;
    measuring m = {.g = g, .against_itself = !probes};
    caface_gallery_calibration *c = NULL;
    caface_status st = CAFACE_OK;

    caface_gallery_calibrate_options_init(&o);
    caface_gallery_probes_init(&m.probes);
    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibrate: an argument is null");
    if ((options && (st = cafi_sized_in(&o, sizeof o, options, options->size,
                                        offsetof(caface_gallery_calibrate_options, resamples),
                                        "gallery_calibrate", err))) ||
        (probes &&
         (st = cafi_sized_in(&m.probes, sizeof m.probes, probes, probes->size,
                             offsetof(caface_gallery_probes, person), "gallery_calibrate", err))) ||
        (st = cafi_gallery_refresh(g, err)))
        return cafi_gallery_result(g, st, err);
    if (o.resamples > 10000)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibrate: %zu resamples, at most 10000",
                         o.resamples);
    if (!probes) {
        m.probes.n = g->templates.count;
        m.probes.C = g->identity.set.width;
        m.probes.templates = g->templates.vectors;
    }
    st = cafi_gallery_result(g, calibrate(&m, &o, &c, err), err);
    tear_down(&m);
    st = st ? st : caface_gallery_keep_calibration(g, c, err);
    caface_gallery_calibration_free(c);
    return st;
}
