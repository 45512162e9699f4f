#!/usr/bin/env bash
# Out of memory: the allocations of every command fail, one a run (fail_allocations.c says what is right then, and how
# many are tried). CAFACE_SWEEP is how many of the first all fail, and how many of those behind; `places`: each chain of calls; `all`.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2 train_tool=$3 fail=$4 galleries=$5 video=$6
most=${CAFACE_SWEEP:-5}
data=${fixtures%/tests/fixtures}/data/sample
onnx=$fixtures/onnx/face_13.onnx
restore=$data/restore.safetensors
white=$fixtures/detect/white.png
out=$work/out
export CAFACE_SELF_CHECK=never CAFACE_MODELS= # `check` has the allocations of the self-check
mkdir -p "$work/faces/ann" "$work/faces/bob" "$work/fresh"
"$draw" "$work/faces/ann" 3 3 112 && "$draw" "$work/faces/bob" 2 7 112 || exit 1
"$caface" encode --model "$onnx" -q -o "$work/set" "$work/faces" || exit 1

# sweep [--talks] [--keeps] [--varies] COMMAND...
sweep() {
    local status=0
    "$fail" "$work" "$most" "$@" >"$work/swept" || status=$?
    cat "$work/swept"
    # shellcheck disable=SC2154 # name is what check was told
    sed -n "s|^# .*|& ($name)|p" "$work/swept" >>"$work/counts"
    return "$status"
}

# take FILE...: what lies in out before each run from here on
take() {
    rm -rf "$work/fresh"
    mkdir "$work/fresh"
    [ $# = 0 ] || cp "$@" "$work/fresh"
}


# --- what files are, and of many one
for file in "$data/model.safetensors" "$data/probes" "$onnx" "$white" "$work/faces" "$work/set"; do
    check "info ${file##*/}" sweep info "$file"
done
check "info --json" sweep info --json "$onnx"
for file in lightning_omegaconf.ckpt zip_protocol5.pt legacy.pt compressed.npz dict_protocol0.npy; do
    check "info $file" sweep info "$fixtures/files/$file"
done
check "convert" sweep convert "$onnx" -q -o "$out/m.safetensors"
check "convert, two files" sweep convert "$onnx" "$data/model.safetensors" -q -o "$out/m.safetensors"
check "convert --ensemble" sweep convert "$restore" "$restore" --ensemble 0.8 -q -o "$out/m.safetensors"

# --- faces to features
check "encode" sweep encode --model "$onnx" --threads 1 -q -o "$out/set" "$work/faces"
check "calibrate" sweep calibrate --model "$onnx" --threads 1 -q -o "$out/m.safetensors" "$work/faces"
check "check" sweep --talks check "$onnx"
check "bench encode" sweep --talks --varies bench encode --model "$onnx" --seconds 0.01 --threads 1
find_faces=(--detector "$fixtures/detect/scrfd_any.onnx" --min-face 5 --threads 1)
check "detect --json" sweep detect "${find_faces[@]}" --json "$white"
check "detect --crops" sweep --keeps detect "${find_faces[@]}" -q --crops "$out/crops" "$white"
compare=(compare "${find_faces[@]}" --model "$fixtures/detect/face_112.onnx" -q)
check "compare" sweep --keeps "${compare[@]}" --probe "$white" --center --single --gallery "A=$white" -o "$out/c"
if [ "$video" = video ]; then
    check "compare, a video" sweep --keeps --varies "${compare[@]}" --probe "$fixtures/video/squares.mp4" --gallery "A=$white" -o "$out/c"
    check "encode, a video" sweep encode --model "$onnx" "${find_faces[@]}" -q -o "$out/set" "$fixtures/video/squares.mp4"
fi

# --- features to templates, and what those are worth
check "fuse" sweep fuse --method average --input "$work/set" -q -o "$out/t.npz"
network=(--model "$data/model.safetensors" --threads 1 -q)
check "fuse by a network" sweep fuse "${network[@]}" --input "$data/probes" -o "$out/t.npz"
check "fuse --weights" sweep --keeps fuse --model "$restore" --threads 1 -q --input "$data/gallery" -o "$out/t.npz" --weights "$out/w.npy"
"$caface" fuse "${network[@]}" --input "$data/gallery" --single --save-state "$work/a.state" || exit 1
check "fuse --save-state" sweep fuse "${network[@]}" --input "$data/gallery" --single --save-state "$out/s.state"
check "fuse --merge" sweep fuse "${network[@]}" --merge "$work/a.state" "$work/a.state" -o "$out/t.npy"
check "plot similarity" sweep plot similarity --method average --input "$work/set" --gallery "$work/set" --label ann -q -o "$out/p.svg"
check "plot similarity, two pictures" sweep --keeps plot similarity --model "$restore" --input "$data/probes" --gallery "$data/gallery" --label 3 -q -o "$out/p.svg" -o "$out/p.png"
printf '1000 1001 0\n1000 1000 1\n1001 1001 1\n' >"$work/pairs.txt"
printf 'template,subject\n1000,0\n1002,1\n' >"$work/gallery.csv"
printf 'template,subject\n1001,0\n1003,1\n' >"$work/probe.csv"
sets=(-f "$data/probes" --threads 1 -q --bootstrap 2)
check "eval verify" sweep eval verify "${sets[@]}" -m "$data/model.safetensors" --pairs "$work/pairs.txt" --json
check "eval verify --roc" sweep --keeps eval verify "${sets[@]}" --method average,norm:7 --pairs "$work/pairs.txt" --roc "$out/roc.svg" --csv "$out/t.csv"
identify=(-g "$work/gallery.csv" -p "$work/probe.csv")
check "eval identify" sweep --keeps eval identify "${sets[@]}" "${identify[@]}" --method average --cmc "$out/cmc.svg"
check "eval robust" sweep --keeps eval robust "${sets[@]}" "${identify[@]}" -m "$restore" --plot "$out/r.svg"
for pair in "ann/00.png ann/01.jpg 1" "ann/00.png bob/00.png 0" "ann/02.png ann/01.jpg 1" "ann/01.jpg bob/01.jpg 0" "bob/00.png bob/01.jpg 1"; do
    read -r a b same <<<"$pair"
    printf '%s %s %s\n' "$work/faces/$a" "$work/faces/$b" "$same" "$work/faces/$b" "$work/faces/$a" "$same"
done >"$work/lfw.txt"
check "eval pairs" sweep eval pairs --pairs "$work/lfw.txt" --features "$work/set"

# --- data, and training
check "prepare pack" sweep prepare pack "$work/faces" -q -o "$out/r"
"$caface" prepare pack "$work/faces" -q -o "$work/rec" || exit 1
check "prepare extract" sweep --keeps prepare extract "$work/rec.rec" -q -o "$out/x"
check "prepare features" sweep --keeps --varies prepare features "$work/faces" --model "$onnx" --variants 2 --threads 1 -q -o "$out/f"
check "prepare centers" sweep prepare centers "$work/faces" --model "$onnx" --threads 1 -q -o "$out/c.safetensors"
"$draw" "$work/faces/bob" 3 9 112 || exit 1
check "prepare probes" sweep prepare probes "$work/faces" --model "$onnx" --frames 1 --threads 1 -q -o "$out/p"
"$train_tool" make "$work/store" || exit 1
store=(--data "$work/store" --centers "$work/store/centers.safetensors" --threads 1 -q -o "$out/run")
check "train" sweep --keeps --varies train "${store[@]}" --epochs 1 --limit-batches 1 --batch 9 --group 8 --clusters 3 --validate "$work/store/probes" --plot "$out/curve.svg"
check "train --fusion restore" sweep --keeps --varies train --fusion restore "${store[@]}" --steps 1

# --- people
if [ "$galleries" = gallery ]; then
    check "gallery create" sweep gallery create "$out/g" --method average -q
    "$caface" gallery create "$work/r.gallery" --model "$restore" -q && "$caface" gallery create "$work/c.gallery" --method average --crops -q &&
        "$caface" gallery add "$work/r.gallery" --input "$data/gallery" --model "$restore" -q &&
        "$caface" gallery add "$work/c.gallery" --folders "$work/faces" --model "$onnx" -q &&
        "$caface" gallery calibrate "$work/r.gallery" --kind cctv --input "$data/probes" --model "$restore" -q >/dev/null || exit 1
    people=("$out/r.gallery")
    with=(--model "$restore" -q)
    take "$work/r.gallery"
    check "gallery add" sweep --keeps --varies gallery add "${people[@]}" Ann --input "$data/gallery" "${with[@]}"
    check "gallery remove" sweep --varies gallery remove "${people[@]}" 3 -q
    check "gallery rename" sweep --varies gallery rename "${people[@]}" 3 three -q
    check "gallery merge" sweep --varies gallery merge "${people[@]}" 3 5 "${with[@]}"
    check "gallery list" sweep --talks --varies gallery list "${people[@]}"
    check "gallery show" sweep --varies gallery show "${people[@]}" 3 --json
    check "gallery search" sweep --varies gallery search "${people[@]}" --input "$data/gallery" "${with[@]}" --threads 1
    check "gallery calibrate" sweep --keeps --varies gallery calibrate "${people[@]}"
    check "gallery export" sweep --varies gallery export "${people[@]}" "$out/dir" "${with[@]}"
    "$caface" gallery export "$work/c.gallery" "$work/exported" -q || exit 1
    take "$work/c.gallery"
    check "gallery add, pictures" sweep --keeps --varies gallery add "$out/c.gallery" Eve "$work/faces/bob/01.jpg" --model "$onnx" --threads 1 -q
    check "gallery search, pictures" sweep --varies gallery search "$out/c.gallery" "$work/faces/ann" --model "$onnx" --threads 1
    check "gallery rebuild" sweep --keeps --varies gallery rebuild "$out/c.gallery" --model "$onnx" --method norm:7 --threads 1 -q
    check "compare --gallery" sweep --keeps --varies compare "${find_faces[@]}" --model "$onnx" -q --probe "$white" --center --single --gallery "$out/c.gallery" -o "$out/c"
    take
    check "gallery import" sweep --varies gallery import "$out/new.gallery" "$work/exported" -q
fi
most=5 # its parts have had their own, and it takes seconds a run
check "demo" sweep --talks --keeps --varies demo "$data" -o "$out" --threads 1
cat "$work/counts"
finish
