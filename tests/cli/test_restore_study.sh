#!/usr/bin/env bash
# tools/restore_study from its start to its end, on drawn pictures and a small random network: that it
# runs, goes on where it stopped, and judges what it says it judges. Its figures are nothing here.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
top=$3
model=$fixtures/onnx/face_13.onnx
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "1..0 # SKIP no NumPy"
    exit 0
fi
number=1
for person in train/ann train/bob train/cat train/dan train/eve dev/fay dev/gil dev/hal; do
    mkdir -p "$work/$person"
    "$draw" "$work/$person" 8 $number || exit 1
    number=$((number + 1))
done
study_of() { # TRAIN
    local train=$1
    shift
    PYTHONDONTWRITEBYTECODE=1 "$top/tools/restore_study" "$train" "$work/dev" "$model" "$work/out-$(basename "$train")" \
        --caface "$caface" --quick "$@"
}
study() { study_of "$work/train" "$@"; }
# A row of the first table whose first column is NAME: so many figures.
row() { # NAME FIGURES
    [ "$(grep -m1 "^| $1 |" "$work/out-train/tables.md" | grep -o ' / ' | wc -l)" = "$2" ]
}
rows() {
    local name
    for name in average norm:7 caface@4 caface@0 caface-ours@4 plain heads exchange@4 exchange@0; do
        row "$name" 7 || return 1
    done
    for name in 'people-2' 'people-4' 'the recipe' 'without restoration' 'without read-out' 'without intruders'; do
        row "$name" 8 || return 1
    done
    grep -q '^| occlusion |' "$work/out-train/tables.md"
}
# Rank-1 of the average, from templates and a gallery that are made here anew.
average() {
    /usr/bin/python3 - "$work/out-train" <<'P'
import csv, json, sys
import numpy as np
out = sys.argv[1]
rows = list(csv.DictReader(open(out + '/probes/index.tsv'), delimiter='\t'))
f = np.load(out + '/probes/features.npy').astype(float)
sets = {}
for i, r in enumerate(rows):
    sets.setdefault(r['template'], []).append(i)
mean = {t: f[r].mean(0) / np.linalg.norm(f[r].mean(0)) for t, r in sets.items()}
clean = [t for t, r in sets.items() if rows[r[0]]['kind'] == 'clean']
who = {t: rows[r[0]]['label'] for t, r in sets.items()}
hits = [who[max(clean, key=lambda g: mean[g] @ mean[t])] == who[t] for t in sets if t not in clean]
said = json.load(open(out + '/figures.json'))['figures']['average']['N = 16'][0]
print(100 * np.mean(hits), said)
assert len(hits) == 6 and abs(100 * np.mean(hits) - said) < 1e-9
P
}
again() {
    cp "$work/out-train/tables.md" "$work/first.md"
    study report >"$work/said" && cmp "$work/first.md" "$work/out-train/tables.md" && ! grep -q '^+ caface train' "$work/said"
}
# A set that is there later is judged; a model that is newer than its templates is fused anew.
later() {
    study --long 2 judge report >/dev/null && row plain 8 && grep -q '^|  |.* N = 640 |' "$work/out-train/tables.md" &&
        touch -d '+10 seconds' "$work/out-train/runs/plain-1/last.safetensors" &&
        study report | grep '^+ caface fuse' | grep -q plain-1
}
told() {
    ! study_of "$work/none" 2>"$work/err" && tail -n 1 "$work/err" | grep -q '^restore_study: this failed: caface prepare features'
}

check "the study runs from its start to its end" study
check "  every row and every condition is in its tables" rows
check "  the average's rank-1 is what its probes say" average
check "  the curve is drawn" grep -q '<polyline' "$work/out-train/curve.svg"
check "again: nothing is made anew, the same tables" again
check "sets that come and go, and new models, are seen" later
check "what fails ends it, with the command" told
finish
