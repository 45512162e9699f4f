#!/usr/bin/env bash
# Out of memory: every allocation of every command fails once. It is said in one line that has
# "out of memory" in it, or done without; nothing crashes, hangs or is left behind. The first
# allocations all, then one in so many (CAFACE_SWEEP of them for each command).
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
most=${CAFACE_SWEEP:-5}
data=${fixtures%/tests/fixtures}/data/sample
onnx=$fixtures/onnx
mkdir -p "$work/faces/ann" "$work/faces/bob"
"$draw" "$work/faces/ann" 3 3 112 && "$draw" "$work/faces/bob" 2 7 112 || exit 1
"$caface" encode --model "$onnx/face_13.onnx" -q -o "$work/set" "$work/faces" || exit 1
# numbers enough for a fusion: the sample's own
"$caface" fuse --model "$data/model.safetensors" --input "$data/probes" --save-state "$work/a.state" -q 2>/dev/null

# once K COMMAND...: the K-th allocation fails. 0: as it should; 1: it should not; 2: not reached.
once() {
    local k=$1 got=0
    shift
    rm -rf "$work/out"
    mkdir "$work/out"
    CAFACE_TEST_FAIL_ALLOCATION=$k "$@" >"$work/stdout" 2>"$work/stderr" || got=$?
    grep -q 'was not reached' "$work/stderr" && return 2
    if [ "$got" -gt 3 ] || { [ "$got" = 1 ] && ! { grep -q 'out of memory' "$work/stderr" && [ "$(wc -l <"$work/stderr")" = 1 ]; }; } ||
        [ -n "$(find "$work/out" -name '*.tmp-*')" ]; then
        echo "allocation $k: status $got"
        head -n 20 "$work/stderr"
        find "$work/out"
        return 1
    fi
}

sweep() {
    local k=1 step=1 bad=0 tried=0 last=0 high=1
    # how many there are, within a factor of two
    while once "$high" "$@" || [ $? = 1 ]; do
        last=$high
        high=$((2 * high))
        [ "$last" -lt 100000000 ] || return 1
    done
    step=$(((last + most - 1) / most))
    while :; do
        once "$k" "$@"
        case $? in
        1) bad=1 ;;
        2) break ;;
        esac
        tried=$((tried + 1))
        [ "$tried" -lt $((4 * most)) ] || break
        k=$((k < most ? k + 1 : k + step))
    done
    echo "# $tried allocations of up to $k"
    return $bad
}

check "info" sweep "$caface" info "$data/model.safetensors"
check "info --json of an ONNX file" sweep "$caface" info --json "$onnx/face_13.onnx"
check "convert" sweep "$caface" convert "$onnx/face_13.onnx" -q -o "$work/out/m.safetensors"
for file in lightning_omegaconf.ckpt zip_protocol5.pt legacy.pt compressed.npz dict_protocol0.npy; do
    check "info $file" sweep "$caface" info "$fixtures/files/$file"
done
check "encode" sweep "$caface" encode --model "$onnx/face_13.onnx" --threads 1 -q -o "$work/out/set" "$work/faces"
check "encode --resume" sweep "$caface" encode --model "$onnx/face_13.onnx" --threads 1 --resume -q -o "$work/set" "$work/faces"
check "fuse" sweep "$caface" fuse --method average --input "$work/set" -q -o "$work/out/t.npz"
check "fuse by a network" sweep "$caface" fuse --model "$data/model.safetensors" --input "$data/probes" --threads 1 -q -o "$work/out/t.npz"
check "plot similarity" sweep "$caface" plot similarity --method average --input "$work/set" -q -o "$work/out/p.svg"
check "prepare pack" sweep "$caface" prepare pack "$work/faces" -q -o "$work/out/r"
check "prepare features" sweep "$caface" prepare features "$work/faces" --model "$onnx/face_13.onnx" --variants 2 --threads 1 -q -o "$work/out/f"
check "prepare centers" sweep "$caface" prepare centers "$work/faces" --model "$onnx/face_13.onnx" --threads 1 -q -o "$work/out/c.safetensors"
find_faces=(--detector "$fixtures/detect/scrfd_any.onnx" --min-face 5 --threads 1)
check "detect" sweep "$caface" detect "${find_faces[@]}" -q --crops "$work/out/crops" "$fixtures/detect/white.png"
check "compare" sweep "$caface" compare "${find_faces[@]}" --model "$fixtures/detect/face_112.onnx" -q --probe "$fixtures/detect/white.png" --center --single --gallery "A=$fixtures/detect/white.png" -o "$work/out/c"
printf '1000 1001 0\n1000 1000 1\n1001 1001 1\n' >"$work/pairs.txt"
check "eval verify" sweep "$caface" eval verify -f "$data/probes" -m "$data/model.safetensors" --pairs "$work/pairs.txt" --bootstrap 2 --threads 1 -q --json
"$3" make "$work/store" || exit 1
check "train" sweep "$caface" train --data "$work/store" --centers "$work/store/centers.safetensors" --epochs 1 --limit-batches 1 --batch 9 --group 8 --clusters 3 --threads 1 -q -o "$work/out/run"
finish
