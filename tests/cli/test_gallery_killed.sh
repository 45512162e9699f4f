#!/usr/bin/env bash
# shellcheck disable=SC2154 # variables of tap.sh
# caface gallery, killed with SIGKILL at 50 moments of add, merge and rebuild, which are chosen by how
# many files' calls the program has made (dies_at.c). What was reported is there, and nothing is
# half there.
# shellcheck source-path=SCRIPTDIR source=tap.sh disable=SC1091,SC2154
. "$(dirname "$0")/tap.sh"
dies_at=$work/dies_at.so # LD_PRELOAD has no way to name a path with blanks
cp "$2" "$dies_at" || exit 1
draw=$3
moments=${CAFACE_TEST_MOMENTS:-50}
sample=${CAFACE_DATA:?}/sample
restore=$sample/restore.safetensors
mkdir "$work/db"
db=$work/db/people.gallery

gallery() { "$caface" gallery "$@"; }

# forget: no gallery, and nothing that lies beside one.
forget() { rm -f "$work/db"/*; }

# answer SET: what the gallery says of everybody: counts, names and similarities to the bit.
answer() {
    gallery show "$db" --json | grep -o '"people":.*' && gallery search "$db" --input "$1" "${probing[@]}" --top 1000 --json
}

# sweep SET COMMAND...: the gallery $work/base, and the command on a copy of it, killed. Either nothing of
# it happened or all, and all where it said so; where nothing did, it is done when it is given again.
sweep() {
    local set=$1 total moment k before after now killed=0 unreported=0
    shift
    before=$(forget && cp "$work/base" "$db" && answer "$set") || return 1
    CAFACE_DIES_IN=$work/db CAFACE_DIES_COUNT=$work/count LD_PRELOAD=$dies_at "$@" >/dev/null 2>&1 || return 1
    total=$(cat "$work/count")
    after=$(answer "$set") || return 1
    echo "$total calls"
    [ "$total" -gt "$moments" ] && [ "$before" != "$after" ] || return 1
    for ((k = 0; k < moments; k++)); do
        moment=$((1 + (total - 1) * k / (moments - 1)))
        forget
        cp "$work/base" "$db"
        # In a shell of its own, which says that it was killed.
        (CAFACE_DIES_IN=$work/db CAFACE_DIES_AT=$moment LD_PRELOAD=$dies_at "$@" >"$work/said" 2>/dev/null; echo $? >"$work/status") 2>/dev/null
        [ "$(cat "$work/status")" = 137 ] && killed=$((killed + 1))
        now=$(answer "$set") || { echo "moment $moment of $total: it does not open"; return 1; }
        if [ "$now" = "$after" ]; then
            [ -s "$work/said" ] || unreported=$((unreported + 1))
        elif [ "$now" != "$before" ] || [ -s "$work/said" ]; then
            echo "moment $moment of $total: neither before nor after; it said: $(cat "$work/said")"
            return 1
        elif ((k % 10 == 0)); then
            if ! "$@" >/dev/null 2>&1 || [ "$(answer "$set")" != "$after" ]; then
                echo "moment $moment of $total: it does not go on"
                return 1
            fi
        fi
    done
    echo "$killed of $moments killed, $unreported done and not reported"
    [ "$killed" -ge $((moments - 1)) ]
}

probing=(--model "$restore")
base() {
    rm -f "$work/base" && gallery create "$work/base" --model "$restore" --quiet && gallery add "$work/base" --input "$sample/gallery" --model "$restore" --quiet --threshold 1
}
check "a gallery" base
check "add" sweep "$sample/long" "$caface" gallery add "$db" 51 --input "$sample/long" --model "$restore" --threshold 1
check "merge" sweep "$sample/long" "$caface" gallery merge "$db" 51 52 --model "$restore"
check "remove" sweep "$sample/long" "$caface" gallery remove "$db" 51
if [ -n "$draw" ]; then
    pictures() {
        mkdir -p "$work/folders/ann" "$work/folders/bob" "$work/folders/cleo" && "$draw" "$work/folders/ann" 5 1 && "$draw" "$work/folders/bob" 6 2 && "$draw" "$work/folders/cleo" 9 3 &&
            rm -f "$work/base" && gallery create "$work/base" --method average --crops --quiet &&
            gallery add "$work/base" --folders "$work/folders" --model "$fixtures/detect/face_112.onnx" --quiet --threshold 1 &&
            "$caface" encode --quiet --model "$fixtures/detect/face_112.onnx" -o "$work/set" "$work/folders"
    }
    probing=()
    check "a gallery of pictures" pictures
    check "rebuild, by another method" sweep "$work/set" "$caface" gallery rebuild "$db" --model "$fixtures/detect/face_112.onnx" --method norm:7 --no-self-check
fi
finish
