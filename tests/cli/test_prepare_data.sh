#!/usr/bin/env bash
# caface prepare features, centers and probes, from outside, with a small random
# network and drawn pictures.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
model=$fixtures/onnx/face_13.onnx # features of 16 numbers
faces=$work/faces
people='ann bob cat'
number=1
for person in $people; do
    mkdir -p "$faces/$person"
    "$draw" "$faces/$person" 8 $number || exit 1
    number=$((number + 1))
done
features() { "$caface" prepare features --quiet --model "$model" --variants 4 "$@"; }
centers() { "$caface" prepare centers --quiet --model "$model" "$@"; }
probes() { "$caface" prepare probes --quiet --model "$model" --frames 4 "$@"; }
# The numbers of a file from an offset on, a row a line.
floats() { # FILE OFFSET WIDTH
    tail -c +$(($2 + 1)) "$1" | od -An -v -t f4 -w$((4 * $3))
}

# --- features ---------------------------------------------------------------------
check "features" features --seed 7 -o "$work/f" "$faces"
check "  three variants of 24 pictures and a strong one" eval '[ "$(stat -c %s "$work/f/features.npy")" = $((128 + 24 * 4 * 16 * 2)) ]'
check "  and their styles" eval '[ "$(stat -c %s "$work/f/styles.npy")" = $((128 + 24 * 4 * 20 * 2 * 2)) ]'
check "  the index names picture and person" eval '[ "$(sed -n 10p "$work/f/index.tsv")" = "bob/00.png	bob" ] && [ "$(wc -l <"$work/f/index.tsv")" = 25 ]'
check "  what made them" grep -q '"backbone":"[0-9a-f]\{16\}".*"variants":4.*"seed":7' "$work/f/set.json"
check "  no part is left" test ! -e "$work/f/parts"
check "the same seed gives the same bytes, for any number of threads" eval 'features --seed 7 --threads 3 -o "$work/f2" "$faces" && diff -r "$work/f" "$work/f2"'
check "another seed gives others" eval 'features --seed 8 -o "$work/f3" "$faces" && ! cmp -s "$work/f/features.npy" "$work/f3/features.npy"'
# A picture's variants do not depend on the other pictures.
alone() {
    mkdir -p "$work/alone/bob" && cp "$faces/bob/00.png" "$work/alone/bob/" && features --seed 7 -o "$work/f4" "$work/alone" &&
        cmp <(tail -c +129 "$work/f4/features.npy") <(tail -c +$((129 + 8 * 4 * 16 * 2)) "$work/f/features.npy" | head -c $((4 * 16 * 2)))
}
check "a picture alone gives what it gives among others" alone
# EXIF's orientation counts in a record set as in a folder.
turned() {
    local file
    cp -r "$faces" "$work/turned" || return 1
    for file in "$work"/turned/*/*.jpg; do
        exif_turned "$file" 8
    done
    "$caface" prepare pack "$work/turned" -o "$work/turnedset" && features --seed 7 -o "$work/t1" "$work/turned" &&
        features --seed 7 -o "$work/t2" "$work/turnedset.rec" && cmp "$work/t1/styles.npy" "$work/t2/styles.npy" &&
        cmp "$work/t1/features.npy" "$work/t2/features.npy" && ! cmp -s "$work/t1/features.npy" "$work/f/features.npy"
}
check "EXIF in a record set" turned
# Memory that runs out in the middle ends a run; what it had finished is used again.
resumes() {
    local k
    for k in 200 400 800 1600 3200 6400; do
        rm -rf "$work/f5"
        CAFACE_TEST_FAIL_ALLOCATION=$k features --seed 7 -o "$work/f5" "$faces" 2>>"$work/f5.err" || true
        [ -z "$(ls "$work/f5/parts" 2>/dev/null)" ] || break
    done
    features --seed 7 --resume -o "$work/f5" "$faces" && diff -r "$work/f" "$work/f5"
}
check "a run that broke off goes on with --resume, to the same bytes" resumes
# Parts of another precision, and of pictures that were changed since, are not mixed in.
other_parts() {
    # a folder in the place of a file: the parts are made, and cannot be joined
    cp -r "$faces" "$work/moving" && mkdir -p "$work/f6/features.npy" || return 1
    fails 1 "is a folder" features --seed 7 -o "$work/f6" "$work/moving" || return 1
    rmdir "$work/f6/features.npy" && [ -n "$(ls "$work/f6/parts")" ] || return 1
    if "$caface" encode --quiet --model "$model" --precision bf16 -o "$work/bf16" "$faces" 2>/dev/null; then
        fails 1 "was made with" features --seed 7 --resume --precision bf16 -o "$work/f6" "$work/moving" || return 1
    fi
    touch -d '+10 seconds' "$work/moving/bob/00.png"
    fails 1 "was made with" features --seed 7 --resume -o "$work/f6" "$work/moving"
}
check "--resume with another precision or changed pictures is refused" other_parts
check "set.json has the precision" grep -q '"precision":"fp32"' "$work/f/set.json"
check "info knows what they are" eval '"$caface" info "$work/f" | grep -q "features for training: [0-9]* pictures, [0-9]* variants of each"'
check "--format rec" eval 'features --seed 7 --format rec -o "$work/rec" "$faces" && [ -s "$work/rec/train.rec" ] && [ "$(wc -l <"$work/rec/train.lst")" = 24 ]'

# --- centers ----------------------------------------------------------------------
check "centers" centers -o "$work/c.safetensors" "$faces"
check "  one a class, by name" eval '"$caface" info --json "$work/c.safetensors" | grep -q "\"name\":\"center.weight\",\"dtype\":\"F32\",\"shape\":\[3,16\]"'
"$caface" encode --quiet --model "$model" -o "$work/set" "$faces" || exit 1
check "  those of the encoded set" eval '"$caface" prepare centers --quiet -o "$work/c2.safetensors" "$work/set" && cmp "$work/c.safetensors" "$work/c2.safetensors"'
# A center is the mean of unit features, brought to length 1 or not: compared as directions.
naive() {
    floats "$work/set/features.npy" 128 16 | awk '{
        n = 0; for (i = 1; i <= 16; i++) n += $i * $i
        for (i = 1; i <= 16; i++) sum[i] += $i / sqrt(n)
        if (NR % 8 == 0) { for (i = 1; i <= 16; i++) { printf "%.9g ", sum[i]; sum[i] = 0 } print "" } }' >"$work/naive"
    floats "$work/c.safetensors" $(($(stat -c %s "$work/c.safetensors") - 3 * 16 * 4)) 16 >"$work/centers"
    paste "$work/naive" "$work/centers" | awk '{
        a = b = ab = 0; for (i = 1; i <= 16; i++) { a += $i ^ 2; b += $(i + 16) ^ 2; ab += $i * $(i + 16) }
        if (NF != 32 || ab / sqrt(a * b) < 0.999999) bad = 1 } END { exit bad || NR != 3 }'
}
check "  the naive mean of unit features" naive
check "  --mean raw is another" eval 'centers --mean raw -o "$work/raw.safetensors" "$faces" && ! cmp -s "$work/c.safetensors" "$work/raw.safetensors"'
check "  --flip is another" eval 'centers --flip -o "$work/flip.safetensors" "$faces" && ! cmp -s "$work/c.safetensors" "$work/flip.safetensors"'

# --- probes -----------------------------------------------------------------------
check "probes" probes --seed 1 -o "$work/p" "$faces"
check "  the same seed gives the same bytes, for any number of threads" eval 'probes --seed 1 --threads 3 -o "$work/p2" "$faces" && diff -r "$work/p" "$work/p2"'
check "  another seed gives others" eval 'probes --seed 2 -o "$work/p3" "$faces" && ! cmp -s "$work/p/features.npy" "$work/p3/features.npy"'
check "  a gallery template a person" eval '[ "$(tail -n +2 "$work/p/gallery.csv" | cut -d, -f2 | sort -u | wc -l)" = 3 ] && [ "$(wc -l <"$work/p/gallery.csv")" = 4 ]'
# Every pair is of a gallery template and a probe, labelled by their people.
pairs_agree() {
    awk -F'[, ]' 'FILENAME ~ /csv$/ { if (FNR > 1) { who[$1] = $2; if (FILENAME ~ /gallery/) gallery[$1] = 1 } next }
        { n++; if (!($1 in gallery) || ($2 in gallery) || (who[$1] == who[$2]) != $3) bad = 1 }
        END { exit bad || n != 18 }' "$work/p/gallery.csv" "$work/p/probe.csv" "$work/p/pairs.txt"
}
check "  pairs agree with the people" pairs_agree
check "  eval verify reads them" "$caface" eval verify -q -f "$work/p" --pairs "$work/p/pairs.txt" --method average --bootstrap 10
check "  eval identify reads them" "$caface" eval identify -q -f "$work/p" -g "$work/p/gallery.csv" -p "$work/p/probe.csv" --method average --bootstrap 10
finish
