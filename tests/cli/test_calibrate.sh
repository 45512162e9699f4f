#!/usr/bin/env bash
# caface calibrate and caface bench encode, from outside, with a small random
# network and drawn pictures.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
model=$fixtures/onnx/wide_13.onnx
faces=$work/faces

mkdir -p "$faces/ann" "$faces/bob"
"$draw" "$faces/ann" 5 1 && "$draw" "$faces/bob" 6 2 || exit 1
"$caface" convert -q "$model" -o "$work/m.safetensors" || exit 1

calibrate() { "$caface" calibrate --model "$model" "$@"; }
encode() { "$caface" encode -q --model "$1" --precision "$2" -o "$3" "$faces"; }
bench() { "$caface" bench encode --seconds 0.01 "$@"; }
# Of a model file: its scales, which are its last metadata.
scales() { head -c 40000 "$1" | grep -aoE '"calibration":"[^}]*}' ; }

check "an ONNX file" calibrate -q -o "$work/q.safetensors" "$faces"
check "  its scales are in the copy" grep -qF '/stage2.0/body/body.1/Conv\":[' "$work/q.safetensors"
check "a converted file" "$caface" calibrate -q --model "$work/m.safetensors" -o "$work/qm.safetensors" "$faces"
check "  gives the same scales" eval '[ -n "$(scales "$work/q.safetensors")" ] && [ "$(scales "$work/q.safetensors")" = "$(scales "$work/qm.safetensors")" ]'
check "calibrating again changes nothing" eval '"$caface" calibrate -q --model "$work/q.safetensors" -o "$work/qq.safetensors" "$faces" && cmp "$work/q.safetensors" "$work/qq.safetensors"'
check "other crops give other scales" eval '"$caface" calibrate -q --model "$work/m.safetensors" -o "$work/qo.safetensors" "$faces/ann/00.png" && [ "$(scales "$work/q.safetensors")" != "$(scales "$work/qo.safetensors")" ]'
check "--json" grep -qF '"crops":11,"failed":0}' <(calibrate --json -o "$work/qj.safetensors" "$faces")
check "says what it wrote" grep -qF "q.safetensors: calibrated on 11 crops" <(calibrate -o "$work/q.safetensors" "$faces")

check "fp32 is as before" eval 'encode "$work/q.safetensors" fp32 "$work/a" && encode "$model" fp32 "$work/b" && cmp "$work/a/features.npy" "$work/b/features.npy"'
int8() {
    encode "$work/q.safetensors" int8 "$work/int8" && ! cmp "$work/a/features.npy" "$work/int8/features.npy" &&
        grep -q '"precision":"int8"' "$work/int8/set.json"
}
# A processor without AVX-512 VNNI refuses int8 before anything else.
if encode "$work/q.safetensors" int8 "$work/probe" 2>/dev/null; then
    check "int8 takes it" int8
    check "int8 without scales says how to get them" fails 1 "calibrate" "$caface" encode --model "$work/m.safetensors" --precision int8 -o "$work/x" "$faces"
    check "  and names the file, an ONNX one too" fails 1 "$model: no calibration" "$caface" encode --model "$model" --precision int8 -o "$work/x" "$faces"
    check "bench: int8" bench --model "$work/q.safetensors" --precision int8
else
    check "int8 is refused here, with the reason" fails 1 "int8" "$caface" encode --model "$work/q.safetensors" --precision int8 -o "$work/x" "$faces"
fi

skips() {
    local got=0
    calibrate -q -o "$work/s.safetensors" "$faces/sick" "$faces/ann" >"$work/s.out" 2>"$work/s.err" || got=$?
    cat "$work/s.err"
    [ "$got" = 3 ] && [ "$(wc -l <"$work/s.err")" = 2 ] && grep -qF 'text.jpg: no picture' "$work/s.err" &&
        grep -qF '00.png: 64x64 pixels' "$work/s.err" && [ -s "$work/s.safetensors" ]
}
mkdir "$faces/sick"
echo hello >"$faces/sick/text.jpg"
"$draw" "$faces/sick" 1 3 64 || exit 1
check "bad pictures: status 3, the others used" skips
none() {
    local got=0
    calibrate -q -o "$work/x" "$faces/sick" 2>"$work/s.err" || got=$?
    [ "$got" = 1 ] && tail -n 1 "$work/s.err" | grep -qF "none of the 2 pictures could be used"
}
check "nothing but bad pictures" none
check "no model" fails 2 "--model is missing" "$caface" calibrate -o "$work/x" "$faces"
check "no output" fails 2 "--output is missing" calibrate "$faces"
check "no crops" fails 2 "" calibrate -o "$work/x"
check "a model that is not there" fails 1 "none.onnx: No such file" "$caface" calibrate --model "$work/none.onnx" -o "$work/x" "$faces"
check "a folder that is not there" fails 1 "nowhere: No such file" calibrate -o "$work/x" "$work/nowhere"
check "a place that cannot be written" fails 1 "$work/no/x" calibrate -o "$work/no/x" "$faces/ann"
check "a full disk" fails 1 "/dev/full" calibrate -o /dev/full "$faces/ann"
check "failures leave nothing behind" eval '[ ! -e "$work/x" ] && [ -z "$(find "$work" -name "*.tmp-*")" ]'

json=$work/bench.json
has() { grep -qE -- "$1" "$json"; }
check "bench: --json" eval 'bench --model "$model" --batch 3 --json >"$json"'
for member in '"precision":"fp32"' '"batch":3' '"images_per_second":[1-9]' '"gflops_per_image":0\.[0-9]*[1-9]' \
    '"open_seconds":0\.' '"weight_bytes":[1-9]' '"buffer_bytes":[1-9]' '"peak_bytes":[1-9]'; do
    check "  $member" has "$member"
done
check "  no profile unless asked" eval '! has "\"steps\""'
check "bench: --profile" eval 'bench --model "$model" --profile --json >"$json"'
check "  times every step" has '"step":"conv","implementation":"[a-z].*"flops":[1-9].*"seconds":'
check "bench: for people" grep -qE '^onnx, fp32, batch 8: [0-9.]+ images/s, .* peak [0-9]+ MB$' <(bench --model "$model")
check "  with a table of steps" grep -qE ' conv +[0-9.]+ +[0-9.]+% ' <(bench --model "$model" --profile)
check "bench: --low-memory" eval 'bench --model "$model" --low-memory --json | grep -q "\"low_memory\":true"'
check "bench: crops of another size" fails 1 "not u8 [n][112][112][3]" bench --model "$model" --crops "$work/a/features.npy"
check "bench: no model" fails 2 "--model is missing" bench
check "bench: no such precision" fails 2 "fp32, bf16 or int8" bench --model "$model" --precision fp8
check "bench: a batch of none" fails 2 "--batch" bench --model "$model" --batch 0
check "bench: a model that is not there" fails 1 "none.onnx: No such file" bench --model "$work/none.onnx"
check "bench: features to a full disk" fails 1 "/dev/full" bench --model "$model" --features /dev/full
finish
