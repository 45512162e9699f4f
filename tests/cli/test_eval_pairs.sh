#!/usr/bin/env bash
# caface eval pairs, from outside: a .bin of drawn pictures, and the same as a set with pairs.txt.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
model=$fixtures/onnx/face_13.onnx
mkdir "$work/p" "$work/small" && "$draw" "$work/p" 48 3 && "$draw" "$work/small" 2 3 64 || exit 1

# bin FILE...: a pickle of (pictures, labels), as InsightFace writes them; every second pair is one person's.
bin() {
    local file size label
    printf '\200\002(]('
    for file in "$@"; do
        size=$(stat -c %s "$file")
        printf 'T%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((size & 255)) $((size >> 8 & 255)) $((size >> 16 & 255)) 0)"
        cat "$file"
    done
    printf 'e]('
    for ((label = $# / 2; label > 0; label--)); do
        [ $((label % 2)) = 0 ] && printf '\210' || printf '\211'
    done
    printf 'et.'
}
pictures=("$work"/p/*)
bin "${pictures[@]}" >"$work/a.bin"
(cd "$work/p" && printf '%s %s\n' *) | awk '{ print $1, $2, NR % 2 }' >"$work/pairs.txt"
"$caface" encode -q -m "$model" -o "$work/set" "$work/p" && "$caface" encode -q --flip -m "$model" -o "$work/flip" "$work/p"

by_bin() { "$caface" eval pairs --bin "$1" --model "$model" "${@:2}"; }
by_set() { "$caface" eval pairs --pairs "$work/pairs.txt" -f "$1" "${@:2}"; }
number() { sed -n "s/.*\"$2\":\([0-9.e+-]*\).*/\1/p" "$1"; }
near() { awk -v a="$(number "$1" "$3")" -v b="$(number "$2" "$3")" 'BEGIN { exit !(a != "" && b != "" && a - b < 1e-6 && b - a < 1e-6) }'; }

same_both_ways() {
    by_bin "$work/a.bin" --json --scores "$work/a.npy" >"$work/a" && by_set "$work/set" --json --scores "$work/b.npy" >"$work/b" &&
        grep -q '"pairs":24,"genuine":12,"impostor":12,"dropped":0,' "$work/a" && near "$work/a" "$work/b" accuracy &&
        near "$work/a" "$work/b" threshold && cmp "$work/a.npy" "$work/b.npy" &&
        [ "$(stat -c %s "$work/a.npy")" = $((128 + 24 * 4)) ]
}
flipped() {
    by_bin "$work/a.bin" --flip --json >"$work/a" && by_set "$work/flip" --json >"$work/b" && near "$work/a" "$work/b" accuracy &&
        near "$work/a" "$work/b" threshold
}
interval() {
    by_set "$work/set" >"$work/t" && grep -q '^accuracy .* 95 % interval \[[0-9.]*, [0-9.]*\], threshold' "$work/t" &&
        by_set "$work/set" --json | grep -q '"resamples":1000,.*"interval":\[0[.0-9]*,[01][.0-9]*\]' &&
        cmp <(by_set "$work/set") <(by_set "$work/set" --threads 1) &&
        ! cmp -s <(by_set "$work/set") <(by_set "$work/set" --seed 5) &&
        by_set "$work/set" --bootstrap 0 --json | grep -vq interval
}
# Two folders with the same file names: the folder tells which is meant, with the suffix or without.
by_folder() {
    mkdir -p "$work/two/A" "$work/two/B" && cp "$work"/p/* "$work/two/A" && cp "$work"/p/* "$work/two/B" &&
        "$caface" encode -q -m "$model" -o "$work/twoset" "$work/two" &&
        awk '{ print "B/" $1, "two/B/" $2, $3 }' "$work/pairs.txt" >"$work/q" &&
        cmp <("$caface" eval pairs -q --bootstrap 0 --pairs "$work/q" -f "$work/twoset") <(by_set "$work/set" -q --bootstrap 0) &&
        sed 's/\.[a-z]* / /g' "$work/q" >"$work/r" && ! cmp -s "$work/q" "$work/r" &&
        cmp <("$caface" eval pairs -q --bootstrap 0 --pairs "$work/r" -f "$work/twoset") <(by_set "$work/set" -q --bootstrap 0) &&
        ! by_set "$work/twoset" 2>"$work/err" && grep -q "line 1: picture .* is in more than one row" "$work/err"
}
# A picture that cannot be used: its pair is dropped from its fold, named, status 3.
bad_picture() {
    local got=0
    head -c 300 "${pictures[5]}" >"$work/cut"
    bin "${pictures[@]:0:5}" "$work/cut" "${pictures[@]:6:4}" "$work/small/00.png" "${pictures[@]:11}" >"$work/bad.bin"
    by_bin "$work/bad.bin" --json >"$work/a" 2>"$work/err" || got=$?
    [ "$got" = 3 ] && grep -q '"pairs":22,.*"dropped":2,.*"failed":\[{"path":"[^"]*bad.bin: picture 5","error":"[^"]*"},{"path' "$work/a" &&
        grep -q 'picture 10: 64x64 pixels, the network takes 112x112' "$work/err" && [ "$(wc -l <"$work/err")" = 2 ]
}
# Rows of NaN: the pair of row 3 goes; one that no pair has does no harm.
nan_row() {
    cp -r "$work/set" "$work/nan" && printf '\000\000\300\177' |
        dd of="$work/nan/features.npy" bs=1 seek=$((128 + 3 * 64)) conv=notrunc status=none
    by_set "$work/nan" --json | grep -q '"pairs":23,.*"dropped":1,' || return 1
    sed 2d "$work/pairs.txt" >"$work/q" && "$caface" eval pairs --pairs "$work/q" -f "$work/nan" --json |
        grep -q '"pairs":23,.*"dropped":0,'
}
# EXIF's orientation counts in a .bin as in a folder: JPEGs that say they lie on their side.
turned() {
    local file
    mkdir "$work/turned" && cp "$work"/p/* "$work/turned" || return 1
    for file in "$work"/turned/*.jpg; do
        exif_turned "$file" 6
    done
    bin "$work"/turned/* >"$work/turned.bin" && "$caface" encode -q -m "$model" -o "$work/turnedset" "$work/turned" &&
        by_bin "$work/turned.bin" --json --scores "$work/a.npy" >"$work/a" && by_set "$work/turnedset" --json --scores "$work/b.npy" >"$work/b" &&
        cmp "$work/a.npy" "$work/b.npy" && by_bin "$work/a.bin" --json --scores "$work/c.npy" >"$work/c" && ! cmp -s "$work/a.npy" "$work/c.npy"
}
all_bad() {
    bin "$work"/cut{,}{,}{,} >"$work/none.bin" # eight times
    fails 1 "none of 8 pictures can be used" by_bin "$work/none.bin"
}

check "a .bin and the set of its pictures: the same" same_both_ways
check "--flip, and a set that is flipped already" flipped
check "an interval, from the seed alone" interval
check "EXIF in a .bin" turned
check "pictures that cannot be used" bad_picture
check "no picture can be used" all_bad
check "pictures named by their folder" by_folder
check "rows of NaN" nan_row
head -9 "$work/pairs.txt" >"$work/nine"
check "nine pairs are too few" fails 1 "9 pairs" "$caface" eval pairs --pairs "$work/nine" -f "$work/set"
check "a picture that is in no row is named by line" eval '
    { cat "$work/pairs.txt" && echo 00.png 99.png 1; } >"$work/q" &&
        fails 1 "line 25: picture 99.png" "$caface" eval pairs --pairs "$work/q" -f "$work/set"'
: >"$work/empty"
check "an empty list" fails 1 "0 pairs" "$caface" eval pairs --pairs "$work/empty" -f "$work/set"
check "an empty .bin" fails 1 "empty" by_bin "$work/empty"
check "a .bin, a model and a set" fails 2 "--model" by_bin "$work/a.bin" -f "$work/set"
check "neither list nor .bin" fails 2 "is needed" "$caface" eval pairs -f "$work/set"
finish
