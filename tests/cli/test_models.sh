#!/usr/bin/env bash
# Boxes and landmarks as two files and as one, and the files that are taken when none is named.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
caface=$(readlink -f "$caface")
networks=$(readlink -f "$2")
top=$(cd "$(dirname "$0")/../.." && pwd)
"$networks" "$work" || exit 1
boxes=$work/boxes.onnx
points=$work/points.onnx
face=$fixtures/detect/white.png
model=$fixtures/detect/face_112.onnx
unset XDG_DATA_HOME CAFACE_MODELS
export HOME=$work/home
mkdir "$work/home" "$work/here" "$work/empty"
cd "$work/empty" || exit 1
both() { "$caface" detect --rotate none --detector "$boxes" --landmarks "$points" "$@"; }

check "two files find faces" eval 'both --json "$face" | grep -q "\"detector\":\"ultraface\".*\"score\":0.[89]"'
check "  boxes alone do not" fails 1 "only boxes" "$caface" detect --detector "$boxes" "$face"
check "  nor a network that gives no points" fails 1 "no landmark network" \
    "$caface" detect --detector "$boxes" --landmarks "$model" "$face"
check "one file of the two" "$caface" convert --quiet "$boxes" "$points" -o "$work/one.safetensors"
check "  finds the same" cmp <(both --json "$face") <("$caface" detect --rotate none --detector "$work/one.safetensors" --json "$face")
check "  is checked as two networks" eval '"$caface" check "$work/one.safetensors" | grep -q landmarks'
check "  has room for two only" fails 1 "in two files" "$caface" convert "$boxes" -o "$work/x"
check "  and takes no options of a backbone" fails 1 "no backbone" "$caface" convert "$boxes" "$points" --tap x -o "$work/x"
check "  and the second is one of points" fails 1 "no landmark network" "$caface" convert "$boxes" "$boxes" -o "$work/x"
check "  what is refused leaves nothing" test ! -e "$work/x"
head -c 5000 "$work/one.safetensors" >"$work/cut.safetensors"
check "  cut short" fails 1 "cut.safetensors" "$caface" detect --detector "$work/cut.safetensors" "$face"

check "nothing named, nothing found" fails 2 "./run models" "$caface" detect "$face"
check "  encode" fails 2 "./run models" "$caface" encode -o "$work/x" "$face"
check "  compare" fails 2 "./run models" "$caface" compare --probe "$face" --gallery "$face"
# made SAYS: what a run says on stderr
says() { { "$caface" "$@" >/dev/null; } 2>&1; }
mkdir -p "$work/here/models" "$work/home/.local/share/caface/models" "$work/data/caface/models"
cp "$work/one.safetensors" "$work/here/models/detector.safetensors"
"$caface" convert --quiet "$model" -o "$work/here/models/backbone.safetensors" || exit 1
cp "$work/here/models/backbone.safetensors" "$work/home/.local/share/caface/models"
check "under the home a backbone alone: detect needs more" fails 2 "--detector" "$caface" detect "$face"
"$caface" gallery create --quiet "$work/g0"
check "  and gallery pictures are crops" grep -q "a detector finds the face" <(says gallery add "$work/g0" Ann "$face")
cd "$work/here" || exit 1
check "beside the user: said" grep -q "no --detector is named: ./models/detector.safetensors is taken" <(says detect "$face")
check "  unless --quiet" test -z "$(says detect --quiet "$face")"
check "  the same faces" cmp <(both --json "$face") <("$caface" detect --quiet --rotate none --json "$face")
check "encode: both" eval 'says encode -o "$work/set" "$face" | grep -c "is taken" | grep -qx 2'
check "  as if they were named" eval '"$caface" encode --quiet --model models/backbone.safetensors --detector models/detector.safetensors -o "$work/named" "$face" && cmp "$work/set/features.npy" "$work/named/features.npy"'
check "  a model that is named stays without a detector" grep -q "takes aligned crops of 112x112" <(says encode --model "$model" -o "$work/crops" "$face")
check "gallery" eval '"$caface" gallery create --quiet "$work/g" && "$caface" gallery add --quiet "$work/g" Ann "$face"'
check "  is searched: of a white face nobody can tell" eval '"$caface" gallery search --quiet --json "$work/g" "$face" | grep -q "\"faces\":1,.*\"cannot_tell\":true"'
check "a folder that is named, and no other" fails 2 "--detector" env CAFACE_MODELS="$work/empty" "$caface" detect "$face"
cp "$work/one.safetensors" "$work/data/caface/models/detector.safetensors"
cd "$work/empty" || exit 1
check "XDG_DATA_HOME" grep -q "$work/data/caface/models/detector.safetensors is taken" <(XDG_DATA_HOME=$work/data says detect "$face")
cd "$work/here" || exit 1
check "  comes after ./models" grep -q "named: ./models/detector.safetensors" <(XDG_DATA_HOME=$work/data says detect "$face")
rm models/detector.safetensors
check "files of two folders are not mixed" fails 2 "--detector" env XDG_DATA_HOME="$work/data" "$caface" detect "$face"

# What ./run models does with a package that is another.
tar -czf "$work/other.tgz" -C "$work" one.safetensors
check "another package is refused" fails 1 "nothing is taken" "$top/tools/fetch_models" "$caface" "$work/fetched" "$work/other.tgz"
check "  and leaves nothing" test ! -e "$work/fetched"
finish
