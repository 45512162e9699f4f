"""The figures of tools/restore_study: sets to judge become templates, templates scores, scores tables and a
picture. A study has a path, a caface and options; its folder is as restore_study makes it."""
import json
import os

import numpy as np

KINDS = ['video', 'resize', 'motion', 'defocus', 'dark', 'jpeg', 'noise', 'turbulence', 'occlusion']
# condition: its name, and how many frames of a set count, or what is put among 16
MIXED = {'3 of 16': (3, 'other'), '4 of 16': (4, 'other'), '8 of 16': (8, 'other'), '3 sharp': (3, 'sharp'),
         '1 clean': (1, 'clean')}
SIZES = [1, 2, 4, 8, 16, 48, 640]
ALWAYS = ['average', 'norm:7']
EXPERIMENTS = ('people-', 'without ', 'camera', 'ensemble', 'taught')  # exchange otherwise trained or used


def read_index(folder):
    with open(os.path.join(folder, 'index.tsv'), encoding='utf-8') as f:
        head, *rows = [line.rstrip('\n').split('\t') for line in f]
    return [dict(zip(head, row)) for row in rows]


def templates(study, key):
    """Templates of all sets that are judged by one row: (name, model or None, method)."""
    name, model, method = key
    to = study.path('fused', name.replace(' ', '_').replace(':', '-') + '.npz')
    if not os.path.exists(to) or (model and os.path.getmtime(model) > os.path.getmtime(to)):
        os.makedirs(study.path('fused'), exist_ok=True)
        study.run('fuse', *(['--model', model] if model else []), '--features', study.path('judge', 'features.npy'),
                  '--styles', study.path('judge', 'styles.npy'), '--ids', study.path('judge', 'ids.npy'),
                  '--method', method, '-o', to)
    return np.load(to)['templates'].astype(np.float64)


class Judged:
    """One method in every condition: rank-1 and TAR at FAR 1e-3 and 1e-4, in %, as it is and in every resample."""

    def __init__(self, study, fused, galleries):
        plan = study.plan
        at = {s: i for i, s in enumerate(study.people)}
        enrolled = galleries[study.rows['gallery']]
        owner = np.array([at[plan[r][1]] for r in study.rows['gallery']])
        self.figures = {}
        for condition, rows in study.rows.items():
            if condition != 'gallery':
                subject = np.array([at[plan[r][1]] for r in rows])
                self.figures[condition] = resampled(fused[rows] @ enrolled.T, subject, owner, study.times)


def resampled(cosine, subject, owner, times):
    """[resamples][3] from cosines of probes and galleries; times [resamples][people] counts people."""
    same = subject[:, None] == owner[None, :]
    found = (owner[cosine.argmax(1)] == subject).astype(np.float64)
    own = times[:, subject]
    everyone = own.sum(1)
    rank = np.divide(own @ found, everyone, out=np.full(len(times), np.nan), where=everyone > 0)
    # all impostor pairs weigh so much; of their scores the best 3 % hold every threshold that is asked for
    galleries = same.sum(1)
    total = everyone * times[:, owner].sum(1) - (own * own) @ galleries
    scores = np.where(same, -np.inf, cosine).ravel()
    best = np.argsort(-scores, kind='stable')[:max(200, len(scores) * 3 // 100)]
    weight = np.cumsum(times[:, subject[best // len(owner)]] * times[:, owner[best % len(owner)]], axis=1)
    who = np.nonzero(same)[0]
    genuine, pairs = cosine[same], times[:, subject[who]] * times[:, owner[np.nonzero(same)[1]]]
    out = [rank]
    for far in (1e-3, 1e-4):
        # the threshold that at most this share of the impostors is above
        k = (weight <= far * total[:, None]).sum(1)
        threshold = scores[best][np.minimum(k, len(best) - 1)]
        hit = (pairs * (genuine[None, :] > threshold[:, None])).sum(1)
        count = pairs.sum(1)
        out.append(np.divide(hit, count, out=np.full(len(times), np.nan), where=count > 0))
    return 100 * np.array(out).T


def mean_figures(judged, condition):
    """Of some models, as they are."""
    return np.mean([j.figures[condition][0] for j in judged], axis=0)


def difference(a, b, condition):
    """(figures of a less b, low, high): of means over models, the 95 % interval over people and over the models,
    which every resample draws anew (the same of a and b where they are as many: models of the same seeds)."""
    rng = np.random.default_rng(11)

    def drawn(models, draw):
        return np.mean([[models[m].figures[condition][r] for m in one] for r, one in enumerate(draw)], axis=1)

    def draws(models):
        times = len(models[0].figures[condition]) - 1
        return np.concatenate([np.arange(len(models))[None], rng.integers(len(models), size=(times, len(models)))])

    of_a = draws(a)
    d = drawn(a, of_a) - drawn(b, of_a if len(a) == len(b) else draws(b))
    low, high = np.nanpercentile(d[1:], [2.5, 97.5], axis=0)
    return d[0], low, high


def rows_of_report(study):
    """Name to the models of it, each a (file name, model, method)."""
    rows = {m: [(m, None, m)] for m in ALWAYS}
    if study.o.reference:
        for chunk in (4, 0):
            rows[f'reference@{chunk}'] = [(f'reference@{chunk}', study.o.reference, f'caface@{chunk}')]
    for name in ('caface', 'caface-ours'):
        model = study.path('runs', name, 'last.safetensors')
        if os.path.exists(study.path('runs', name, 'done')):
            for chunk in (4, 0):
                rows[f'{name}@{chunk}'] = [(f'{name}@{chunk}', model, f'caface@{chunk}')]
    for form in ('plain', 'heads', 'exchange'):
        for chunk in ('@4', '@0') if form == 'exchange' else ('',):
            models = [(f'{form}-{s}{chunk}', study.path('runs', f'{form}-{s}', 'last.safetensors'),
                       'restore' + chunk) for s in range(1, study.o.seeds + 1)]
            models = [m for m in models if os.path.exists(m[1])]
            if models:
                rows[form + chunk] = models

    def number(name):
        return [(0, int(n), '') if n.isdigit() else (1, 0, n) for n in name.split('-')]

    for run in sorted(os.listdir(study.path('runs')), key=number):
        name, _, seed = run.rpartition('-')
        if name.startswith(EXPERIMENTS) and seed.isdigit() and int(seed) <= study.o.seeds:
            model = study.path('runs', run, 'last.safetensors')
            if os.path.exists(model):
                rows.setdefault(name, []).append((run, model, 'restore@0'))
    return rows


def table(out, head, lines):
    out.append('| ' + ' | '.join(head) + ' |')
    out.append('|' + '---|' * len(head))
    out += ['| ' + ' | '.join(line) + ' |' for line in lines]
    out.append('')


def pair(f):
    return f'{f[0]:.1f} / {f[1]:.1f}'


def report(study):
    with open(study.path('judge', 'plan.json'), encoding='utf-8') as f:
        study.plan = json.load(f)
    study.rows = {}
    for i, (condition, _) in enumerate(study.plan):
        study.rows.setdefault(condition, []).append(i)
    study.people = sorted({s for _, s in study.plan})
    rng, people = np.random.default_rng(7), len(study.people)
    study.times = np.array([np.ones(people)] + [np.bincount(rng.integers(people, size=people), minlength=people)
                                                for _ in range(study.o.resamples)], dtype=np.float64)
    galleries = templates(study, ('average', None, 'average'))
    rows = rows_of_report(study)
    judged = {name: [Judged(study, templates(study, key), galleries) for key in keys] for name, keys in rows.items()}
    sizes = [f'N = {n}' for n in SIZES if f'N = {n}' in study.rows]
    kinds = [k for k in KINDS if k in study.rows]
    mixed = list(MIXED)
    main = [r for r in rows if not r.startswith(EXPERIMENTS)]
    out = []
    figures = {r: {c: list(mean_figures(judged[r], c)) for c in study.rows if c != 'gallery'} for r in rows}
    out += [f'{len(study.rows["N = 16"])} probe sets of {len(study.people)} people. Rank-1 / TAR at FAR 1e-3, %. '
            'Means over seeds: ' + ', '.join(f'{r} {len(judged[r])}' for r in main if len(judged[r]) > 1), '']
    for conditions in (sizes + ['clean picture'], mixed):
        table(out, [''] + conditions, [[r] + [pair(figures[r][c]) for c in conditions] for r in main])
    versus = [r for r in ('reference@4', 'caface@4', 'caface-ours@4', 'average') if r in judged]
    compared = []
    for a in [r for r in main if r.startswith(('plain', 'heads', 'exchange'))]:
        for b in versus:
            wanted = ['clean picture'] if b == 'average' else sizes + ['clean picture'] + mixed
            for c in wanted:
                d, low, high = difference(judged[a], judged[b], c)
                compared.append((a, b, c, d, low, high))
    for k, what in enumerate(['rank-1', 'TAR at FAR 1e-3', 'TAR at FAR 1e-4']):
        for b in versus:
            of_b = {(a, c): (d[k], low[k], high[k]) for a, other, c, d, low, high in compared if other == b}
            out.append(f'{what} less {b}, points, with 95 % intervals over people and seeds:\n')
            for some in (sizes + ['clean picture'], mixed):
                columns = [c for c in some if any(c == key[1] for key in of_b)]
                if columns:
                    table(out, [''] + columns, [[a] + ['{:+.1f} [{:.1f}, {:.1f}]'.format(*of_b[a, c]) for c in columns]
                                                for a in dict.fromkeys(key[0] for key in of_b)])
    others = [r for r in rows if r.startswith(EXPERIMENTS) and r != 'camera']
    if others and 'exchange@0' in judged:
        out.append('Exchange otherwise trained or used, whole sets; the rest of a line: less the recipe by the same seeds '
                   '(one model: by all of its seeds), points of rank-1, with 95 % intervals over people and seeds.\n')
        columns, less = sizes + ['3 of 16', 'clean picture'], ['N = 4', 'N = 8', 'N = 16', '3 of 16']
        lines = [['the recipe', str(len(judged['exchange@0']))] + [pair(figures['exchange@0'][c]) for c in columns] +
                 [''] * len(less)]
        for r in others:
            line = [r, str(len(judged[r]))] + [pair(figures[r][c]) for c in columns]
            for c in less:
                same = len(judged[r]) if len(judged[r]) > 1 else None
                d, low, high = difference(judged[r], judged['exchange@0'][:same], c)
                line.append(f'{d[0]:+.1f} [{low[0]:.1f}, {high[0]:.1f}]')
            lines.append(line)
        table(out, ['', 'seeds'] + columns + ['less: ' + c for c in less], lines)
    if kinds and 'camera' in judged:
        references = [r for r in ('reference@0', 'caface@0', 'caface-ours@0') if r in judged]
        lines = []
        for c in kinds:
            line = [c] + [f'{figures[r][c][0]:.1f}' for r in ALWAYS + references + ['camera']]
            for r in references:
                d, low, high = difference(judged['camera'], judged[r], c)
                line.append(f'{d[0]:+.1f} [{low[0]:.1f}, {high[0]:.1f}]')
            lines.append(line)
        out.append('Rank-1, sets of 8 frames of one kind; camera: exchange that was trained on the camera and the '
                   'augmentation alone.\n')
        table(out, ['kind'] + ALWAYS + references + ['camera'] + ['less ' + r for r in references], lines)
    with open(study.path('tables.md'), 'w', encoding='utf-8') as f:
        f.write('\n'.join(out))
    with open(study.path('figures.json'), 'w', encoding='utf-8') as f:
        json.dump({'figures': figures,
                   'differences': [dict(a=a, b=b, sets=c, d=list(d), low=list(low), high=list(high))
                                   for a, b, c, d, low, high in compared]}, f, indent=1)
    draw_curve(study, figures)
    print('\n'.join(out))


def draw_curve(study, figures):
    """Rank-1 over the number of people trained on, as SVG."""
    runs = sorted(int(r.split('-')[1]) for r in figures if r.startswith('people-'))
    if not runs or 'exchange@0' not in figures:
        return
    everyone = len({row['label'] for row in read_index(study.path('features'))})
    sets = ['N = 4', 'N = 8', 'N = 16', '3 of 16']
    colours = ['#4477aa', '#228833', '#aa3377', '#cc6600']
    width, height, left, bottom, right, top = 640, 400, 60, 50, 90, 40
    points = runs + [everyone]
    values = {c: [figures[f'people-{n}'][c][0] for n in runs] + [figures['exchange@0'][c][0]] for c in sets}
    floor = 10 * np.floor(min(min(v) for v in values.values()) / 10)

    def x(n):
        return left + (width - left - right) * np.log(n / points[0]) / np.log(points[-1] / points[0])

    def y(v):
        return height - bottom - (height - bottom - top) * (v - floor) / (100 - floor)

    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           f'<text x="{left}" y="22" font-size="15">Rank-1 over the people trained on (exchange, whole sets)</text>']
    for v in np.arange(floor, 100.1, 10):
        svg.append(f'<line x1="{left}" x2="{width - right}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#dddddd"/>'
                   f'<text x="{left - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.0f} %</text>')
    for n in points:
        svg.append(f'<text x="{x(n):.1f}" y="{height - bottom + 18}" text-anchor="middle">{n}</text>')
    svg.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">people</text>')
    label, free = {}, 0.0  # where names stand: beside their lines' ends, 14 apart at least
    for c in sorted(sets, key=lambda c: -values[c][-1]):
        label[c] = free = max(free + 14, y(values[c][-1]) + 4)
    for c, colour in zip(sets, colours):
        line = ' '.join(f'{x(n):.1f},{y(v):.1f}' for n, v in zip(points, values[c]))
        svg.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        svg += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in zip(points, values[c])]
        svg.append(f'<text x="{width - right + 8}" y="{label[c]:.1f}" fill="{colour}">{c}</text>')
    with open(study.path('curve.svg'), 'w', encoding='utf-8') as f:
        f.write('\n'.join(svg + ['</svg>', '']))
