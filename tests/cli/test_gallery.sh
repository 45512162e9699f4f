#!/usr/bin/env bash
# shellcheck disable=SC2154 # variables of tap.sh
# caface gallery, from outside: the sample's features, and drawn pictures with a small random
# network.
# shellcheck source-path=SCRIPTDIR source=tap.sh disable=SC1091,SC2154
. "$(dirname "$0")/tap.sh"
draw=$2
write_networks=${3:-}
sample=${CAFACE_DATA:?}/sample
restore=$sample/restore.safetensors
model=$fixtures/detect/face_112.onnx
detector=$fixtures/detect/scrfd_any.onnx
db=$work/people.gallery

gallery() { "$caface" gallery "$@"; }
# What the program says, with its exit status as the last line.
status() { "$@" 2>&1; echo "status $?"; }
has() { # WORD COMMAND...: it succeeds and prints WORD
    local word=$1
    shift
    "$@" 2>/dev/null >"$work/.has" && grep -qF -- "$word" "$work/.has" && return 0
    cat "$work/.has"
    return 1
}

# ---- features -----------------------------------------------------------------------------
check "create" has "templates by restore@512" gallery create "$db" --model "$restore"
check "info says what it is" has "people.gallery: a gallery of people" "$caface" info "$db"
head -c 68 "$db" >"$work/other.db" && head -c 32 /dev/zero >>"$work/other.db"
check "  and what another database is" fails 1 "no gallery of people" "$caface" info "$work/other.db"
check "  again: it is there" fails 1 "people.gallery: it is there already" gallery create "$db" --model "$restore"
check "  a network without its model" fails 2 "a fusion model is needed" gallery create "$work/x" --method caface
check "  in no folder" fails 1 "nowhere/x: " gallery create "$work/nowhere/x"
check "add the sample's people" has '"people":111,"new_people":111,"faces":222,"known":0' gallery add "$db" --input "$sample/gallery" --model "$restore" --json
check "  again: nothing is added" has '"people":0,"new_people":0,"faces":0,"known":222' gallery add "$db" --input "$sample/gallery" --model "$restore" --json
check "  without the model" fails 1 "which is needed" gallery add "$db" --input "$sample/gallery"
check "  another model" fails 1 "restore model" gallery add "$db" --input "$sample/gallery" --model "$sample/model.safetensors"
check "  a model that is not there, beside one that is" fails 1 "nosuch.safetensors: No such file" gallery add "$db" --input "$sample/gallery" --model "$restore" --model "$work/nosuch.safetensors"
printf nothing >"$work/cut.safetensors"
check "  a damaged one" fails 1 "cut.safetensors: " gallery search "$db" --input "$sample/gallery" --model "$work/cut.safetensors"
check "  no such column" fails 1 "no column who" gallery add "$db" --input "$sample/gallery" --column who --model "$restore"
check "  nothing to add" fails 2 "nothing to add" gallery add "$db"
check "list" test "$(gallery list "$db" | tail -n 1)" = "111 people"
check "  as JSON" has '"faces":2,' gallery list "$db" --json
check "show" has "111 people, 222 faces, 222 pictures, 0 crops" gallery show "$db"
check "  a person" has "dev/0008/01" gallery show "$db" 7
check "  nobody" fails 1 "nobody is called nobody" gallery show "$db" nobody
# The figure of `eval identify` on the same templates: both galleries are by the model.
check "search the probes" has '"labelled":222,"found_first":221' gallery search "$db" --input "$sample/probes" --model "$restore" --json
check "  as a table" has "221 of 222 probes with a name find that person first" gallery search "$db" --input "$sample/probes" --model "$restore"
check "  the best three" test "$(gallery search "$db" --input "$sample/long" --single --top 3 --model "$restore" --json | grep -o '"name"' | wc -l)" = 3
check "no calibration yet" fails 1 "is not calibrated" gallery search "$db" --input "$sample/probes" --model "$restore" --far 1e-3
check "calibrate the gallery against itself" has '"kind":"gallery","method":"restore@512"' gallery calibrate "$db" --json
check "  too few pairs are said to be" has "too few pairs: 10000 are needed" gallery calibrate "$db"
check "calibrate with probes" has '"pairs":24420,"faces":16.0,"found_first":221' gallery calibrate "$db" --input "$sample/probes" --kind poor --model "$restore" --json
check "  the rate that a score has" has '"far_below":4.09' gallery search "$db" --input "$sample/probes" --model "$restore" --json
check "  the threshold at a rate" has "at a false accept rate of 1e-02" gallery search "$db" --input "$sample/probes" --model "$restore" --far 1e-2
check "  a rate that the pairs do not give" fails 1 "too few pairs" gallery search "$db" --input "$sample/probes" --model "$restore" --far 1e-5
check "  ruined faces get no name" has '"cannot_tell":true,"people":[]' gallery search "$db" --input "$sample/probes" --model "$restore" --json
check "rename" has "renamed 7 into Ann" gallery rename "$db" 7 Ann
check "  to somebody's name" fails 1 "is called 8 already" gallery rename "$db" Ann 8
check "merge" has "merged 8 into Ann" gallery merge "$db" Ann 8 --model "$restore"
check "remove, all or none" fails 1 "nobody is called 8" gallery remove "$db" 9 8
check "  all" has '"removed":["9","10"]' gallery remove "$db" 9 10 --json
check "what is left" has '"people":108,"faces":218,"pictures":218' gallery show "$db" --json

# In two goes as in one, to the template.
halves() {
    gallery create "$work/one" --model "$restore" && gallery create "$work/two" --model "$restore" &&
        gallery add "$work/one" Ann --input "$sample/gallery" --model "$restore" &&
        gallery add "$work/one" Ann --input "$sample/long" --model "$restore" &&
        cp "$work/one" "$work/copy" && gallery add "$work/two" Ann --input "$sample/gallery" --model "$restore" &&
        gallery add "$work/two" Ann --input "$sample/long" --model "$restore" &&
        gallery search "$work/one" --input "$sample/probes" --model "$restore" --json >"$work/one.json" &&
        gallery search "$work/two" --input "$sample/probes" --model "$restore" --json >"$work/two.json" &&
        cmp "$work/one.json" "$work/two.json"
}
check "two galleries of the same additions answer alike" halves
# A folder of plain files, and back: what is answered stays the same, and adding goes on.
exchanged() {
    gallery export "$work/one" "$work/out" --model "$restore" --quiet && gallery import "$work/back" "$work/out" --model "$restore" &&
        gallery search "$work/back" --input "$sample/probes" --model "$restore" --json | cmp - "$work/one.json" &&
        gallery show "$work/back" Ann --json | grep -o '"pictures".*' >"$work/b" && gallery show "$work/one" Ann --json | grep -o '"pictures".*' | cmp - "$work/b" &&
        gallery add "$work/back" Ann --input "$sample/probes" --model "$restore" --quiet && gallery add "$work/one" Ann --input "$sample/probes" --model "$restore" --quiet &&
        gallery search "$work/one" --input "$sample/long" --single --model "$restore" --json >"$work/c.json" &&
        gallery search "$work/back" --input "$sample/long" --single --model "$restore" --json | cmp - "$work/c.json"
}
check "export and import" exchanged
# Thresholds, rates and "cannot tell" of the copy are those of the original; its own calibrations stay.
travelled() {
    gallery export "$db" "$work/cal" --model "$restore" --quiet && gallery import "$work/cal.gallery" "$work/cal" --model "$restore" --json | grep -q '"calibrations":2' &&
        gallery search "$db" --input "$sample/probes" --model "$restore" --top 3 --json >"$work/cal.json" && grep -q '"cannot_tell":true' "$work/cal.json" &&
        gallery search "$work/cal.gallery" --input "$sample/probes" --model "$restore" --top 3 --json | cmp - "$work/cal.json" &&
        gallery create "$work/cal2.gallery" --model "$restore" --quiet && gallery add "$work/cal2.gallery" --input "$sample/gallery" --column source --model "$restore" --quiet &&
        gallery calibrate "$work/cal2.gallery" --quiet && gallery import "$work/cal2.gallery" "$work/cal" --model "$restore" --json | grep -q '"calibrations":1'
}
check "calibrations travel" travelled
unheard() {
    # nobody takes what it prints: what it imported stays
    gallery import "$work/unheard" "$work/cal" --model "$restore" --json >/dev/full 2>/dev/null
    [ $? = 1 ] && [ "$(gallery list "$work/unheard" | tail -n 1)" = "108 people" ]
}
check "  an import that cannot say so" unheard
sed -i 's/"pairs":[0-9]*/"pairs":1/' "$work/cal/calibrations/1.json"
check "  a damaged one" fails 1 "calibrations/1.json: its calibration" gallery import "$work/cal3.gallery" "$work/cal" --model "$restore"
check "  leaves no gallery" test ! -e "$work/cal3.gallery"
check "  states that fuse takes" "$caface" fuse --model "$restore" --merge "$work/out/states/1.state" -o "$work/t.npy"
check "  into a folder that is there" fails 1 "File exists" gallery export "$work/one" "$work/out" --model "$restore"
check "  the same pictures twice" fails 1 "already" gallery import "$work/back" "$work/out" --model "$restore"
gallery create "$work/plain" --method average --quiet
check "  by another method" fails 1 "are by restore@512, those of the gallery by average" gallery import "$work/plain" "$work/out" --model "$restore"
mv "$work/out/gallery.json" "$work/kept.json"
check "  a folder that is not whole" fails 1 "gallery.json" gallery import "$work/back2" "$work/out" --model "$restore"
mv "$work/kept.json" "$work/out/gallery.json"
sed -i 's|states/1.state|../states/1.state|' "$work/out/people.tsv"
check "  a path that leads away" fails 1 "leads out" gallery import "$work/back2" "$work/out" --model "$restore"
check "  leaves no gallery" test ! -e "$work/back2"
check "no gallery" fails 1 "this is no gallery" gallery list "$restore"
check "  not there" fails 1 "No such file" gallery list "$work/nothing"
# A file that may not grow is a full disk.
full_disk() {
    gallery create "$work/full" --method average --quiet && gallery add "$work/full" Ann --input "$sample/long" --quiet 2>/dev/null &&
        gallery list "$work/full" >"$work/before" || return 1
    (
        trap '' XFSZ
        ulimit -f 40
        gallery add "$work/full" --input "$sample/probes" 2>"$work/full.err"
    )
    [ $? = 1 ] && [ "$(wc -l <"$work/full.err")" = 1 ] && grep -q 'full: ' "$work/full.err" &&
        gallery list "$work/full" | cmp - "$work/before" && gallery add "$work/full" --input "$sample/probes" --quiet
}
full_export() {
    (
        trap '' XFSZ
        ulimit -f 3
        gallery export "$db" "$work/full.out" --model "$restore" 2>"$work/full.err"
    )
    # gcov's counters may not grow either
    [ $? = 1 ] && [ "$(grep -vcE '^(libgcov )?profiling( error)?:' "$work/full.err")" = 1 ] && [ ! -e "$work/full.out" ]
}
check "  in export: nothing is left" full_export
check "a full disk: one sentence, and the gallery as it was" full_disk

# ---- pictures --------------------------------------------------------------------------------
if [ -n "$draw" ]; then
    mkdir -p "$work/folders/ann" "$work/folders/bob"
    "$draw" "$work/folders/ann" 5 1 && "$draw" "$work/folders/bob" 6 2 || exit 1
    pics=$work/pictures.gallery
    check "a gallery of pictures" gallery create "$pics" --method average --crops
    check "a folder a person" has '"people":2,"new_people":2,"faces":11,"known":0,"skipped":0' gallery add "$pics" --folders "$work/folders" --model "$model" --json
    check "  crops are kept" has "11 pictures, 11 crops" gallery show "$pics"
    check "  once" has '"faces":0,"known":11' gallery add "$pics" --folders "$work/folders" --model "$model" --json
    # The same features as `encode` gives: the same file, digests of crops or not.
    same() {
        "$caface" encode --quiet --model "$model" -o "$work/set" "$work/folders" && gallery create "$work/f" --method average &&
            gallery add "$work/f" --input "$work/set" && gallery search "$work/f" --input "$work/set" --json >"$work/f.json" &&
            gallery search "$pics" --input "$work/set" --json >"$work/p.json" && cmp "$work/f.json" "$work/p.json"
    }
    check "  the features that encode gives" same
    : >"$work/bad.jpg"
    check "a bad picture is passed over: status 3" grep -q "^status 3" <(status gallery add "$pics" Cleo "$work/bad.jpg" "$fixtures/detect/white.png" --model "$model" --detector "$detector" --min-face 5)
    check "  and named" grep -q "bad.jpg: an empty file" <(status gallery add "$pics" Cleo "$work/bad.jpg" "$work/folders/ann/00.png" --model "$model")
    check "  none is left: status 1" grep -q "^status 1" <(status gallery add "$pics" Dan "$work/bad.jpg" --model "$model")
    check "no detector, no crop" grep -q "a crop has 112x112" <(status gallery add "$pics" Dan "$fixtures/detect/white.png" --model "$model")
    check "  quality figures of a found face" has '"side":' gallery show "$pics" Cleo --json
    # Whoever is smooth is too blurred to be told by this network (compare has the same rule); as features they are.
    check "who is it: cannot tell" has '"cannot_tell":true,"people":[]' gallery search "$pics" "$work/folders/bob/00.png" --model "$model" --json
    check "  features without their backbone" has '"name":"bob","similarity":' gallery search "$pics" --input "$work/set" --json
    check "  with it" has '"blur":' gallery search "$pics" --input "$work/set" --model "$model" --json
    check "  with another" fails 1 "backbone is" gallery search "$pics" --input "$work/set" --model "$fixtures/onnx/face_13.onnx"
    # A network that sees fine detail alone, sharp people, and one who is smooth.
    blurred() {
        "$write_networks" "$work" && mkdir -p "$work/sharp/ann" "$work/sharp/bob" "$work/sharp/fog" && "$draw" "$work/sharp/ann" 3 1 112 40 && "$draw" "$work/sharp/bob" 3 2 112 40 &&
            "$draw" "$work/sharp/fog" 1 3 && gallery create "$work/sharp.gallery" --method average --crops --quiet && gallery create "$work/plain.gallery" --method average --quiet &&
            gallery add "$work/sharp.gallery" --folders "$work/sharp" --model "$work/grain.onnx" --quiet && gallery add "$work/plain.gallery" --folders "$work/sharp" --model "$work/grain.onnx" --quiet
    }
    who() { gallery search "$work/$1.gallery" "$work/sharp/$2/00.png" --model "$work/grain.onnx" "${@:3}"; }
    check "sharp people and one who is smooth" blurred
    check "  a sharp face has a name" has '"needed":0.35,"match":true' who sharp bob --json
    check "  a smooth one has none, though it is the same picture" has 'cannot tell: too blurred (sharpness 0.0' who sharp fog
    check "  by any threshold" has '"cannot_tell":true,"people":[]' who sharp fog --threshold -1 --json
    check "  what is known of the picture alone does not say so" has '"name":"fog"' who plain fog --json
    check "  several pictures, one probe" test "$(gallery search "$pics" "$work/folders/bob" --single --model "$model" --json | grep -o '"probe"' | wc -l)" = 1
    # The same networks give the same answers; another backbone, templates of its own.
    rebuilt() {
        gallery search "$pics" --input "$work/set" --json >"$work/before.json" && gallery rebuild "$pics" --model "$model" &&
            gallery search "$pics" --input "$work/set" --json | cmp - "$work/before.json"
    }
    check "rebuild by the same backbone" rebuilt
    check "  by another" has '"people":3,"faces":' gallery rebuild "$pics" --model "$fixtures/onnx/face_13.onnx" --json
    check "  which is the gallery's from then on" fails 1 "backbone" gallery add "$pics" Ann "$work/folders/ann" --model "$model"
    check "  without crops" fails 1 "have no crop" gallery rebuild "$db" --model "$model"
    check "  back again" has "templates by average" gallery rebuild "$pics" --model "$model"
    # compare takes the gallery's templates: the similarities of search, with its rates and thresholds.
    mkdir "$work/frames"
    for i in 1 2 3 4; do cp "$fixtures/detect/white.png" "$work/frames/$i.png"; done
    against() { "$caface" compare --model "$model" --detector "$detector" --min-face 5 --probe "$work/frames" --method average "$@"; }
    first() { grep -o '"name":"Cleo"[^}]*"similarity":[0-9.]*' "$1" | head -n 1 | grep -o '[0-9.]*$' | cut -c1-6; }
    alike() {
        "$caface" encode --quiet --model "$model" --detector "$detector" --min-face 5 -o "$work/white" "$fixtures/detect/white.png" &&
            against --gallery "$pics" --json 2>/dev/null >"$work/c.json" && gallery search "$pics" --input "$work/white" --json >"$work/s.json" &&
            [ -n "$(first "$work/c.json")" ] && [ "$(first "$work/c.json")" = "$(first "$work/s.json")" ]
    }
    check "compare with a gallery: what search says" alike
    # ... and the same sharpness and blur, by which both cannot tell.
    blur_of() { grep -o '"sharpness":0[^,]*,"blur":[^,}]*,"\(brief\|cannot_tell\)' "$1" | sed 's/,"[bc][^,]*$//' | head -n 1 | sed -E 's/([0-9]\.[0-9]{5})[0-9]*/\1/g'; }
    blurred_alike() {
        gallery search "$pics" "$fixtures/detect/white.png" --model "$model" --detector "$detector" --min-face 5 --json >"$work/s.json" && grep -q '"cannot_tell":true' "$work/s.json" &&
            grep -q '"verdict":"cannot tell","name":null' "$work/c.json" && [ -n "$(blur_of "$work/s.json")" ] && [ "$(blur_of "$work/c.json")" = "$(blur_of "$work/s.json")" ]
    }
    check "  what cannot be told" blurred_alike
    check "  not calibrated: said" grep -q "average: the gallery is not calibrated for it" <(against --gallery "$pics" 2>&1)
    check "  a rate that nobody measured" fails 1 "not calibrated for average" against --gallery "$pics" --far 1e-2
    check "  beside pictures, in a page" against --gallery "Dan=$work/folders/ann/00.png" "$pics" -o "$work/page" --quiet
    check "  with everybody in it" grep -q '"name":"Dan".*"name":"Cleo"\|"name":"Cleo".*"name":"Dan"' "$work/page/compare.json"
    check "  a name twice" fails 1 "Cleo is named twice" against --threshold 0.3 --gallery "Cleo=$work/folders/ann/00.png" "$pics"
    check "  two galleries" fails 1 "two galleries: one is compared with" against --gallery "$pics" "$db"
    gallery calibrate "$pics" --input "$work/set" --quiet
    check "  calibrated: the rate of each score" grep -q '"needed":[^}]*"far' <(against --gallery "$pics" --json 2>/dev/null)
    check "  too few pairs for a rate" fails 1 "too few pairs" against --gallery "$pics" --far 1e-3
    check "  a width that does not fit" fails 1 "16 numbers, the gallery's templates have 128" against --gallery "$db"
    check "  another backbone" fails 1 "the gallery's backbone is" "$caface" compare --model "$fixtures/onnx/face_13.onnx" --detector "$detector" --probe "$work/frames" --gallery "$pics"
    check "another backbone" fails 1 "the backbone gives 16 numbers" gallery add "$db" Ann "$work/folders/ann" --model "$model" --model "$restore"
    check "no backbone" fails 1 "backbone" gallery add "$pics" Ann "$work/folders/ann"
fi
finish
