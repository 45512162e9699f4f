#!/usr/bin/env bash
# caface eval --images, from outside: drawn pictures, a small random network.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
model=$fixtures/onnx/face_13.onnx
other=$fixtures/detect/face_112.onnx
ijb=$work/ijb
crops=$ijb/loose_crop
set=$work/kept
# Where the landmarks of an aligned crop stand: aligning it again changes nothing.
template="38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041"

# Pictures 00.png, 01.jpg, ... 23.jpg; template 100 - i / 3, two subjects, no order in the ids.
mkdir -p "$crops" "$ijb/meta" && "$draw" "$crops" 24 1 || exit 1
meta=$ijb/meta/ijbx
lists() {
    (cd "$crops" && printf '%s\n' *) | awk -v points="$template" -v meta="$meta" '{
        print $1, points, 0.99 > (meta "_name_5pts_score.txt")
        print $1, 100 - int((NR - 1) / 3), NR > (meta "_face_tid_mid.txt") }
        END { for (a = 93; a <= 100; a++) for (b = a + 1; b <= 100; b++)
            print a, b, a % 2 == b % 2 > (meta "_template_pair_label.txt") }'
}
lists
for kind in gallery_G1 gallery_G2 probe_mixed; do
    { echo TEMPLATE_ID,SUBJECT_ID && seq 93 100 | awk '{ print $1 "," $1 % 2 }'; } >"${meta}_1N_$kind.csv"
done

verify_by() { # verify_by BACKBONE ARGUMENTS...
    "$caface" eval verify --images "$crops" --meta "$ijb" --dataset IJBX -m "$1" --bootstrap 0 \
        --method average,norm "${@:2}"
}
verify() { verify_by "$model" "$@"; }
# json WANT ARGUMENTS...: the run's JSON has WANT; its exit status is the run's.
json() {
    local want=$1 got=0
    shift
    verify --json --cache "$set" "$@" >"$work/json" || got=$?
    grep -qF -- "$want" "$work/json" || { cat "$work/json" && return 99; }
    return "$got"
}
status() { # status WANT COMMAND...
    local want=$1 got=0
    shift
    "$@" || got=$?
    [ "$got" = "$want" ] || { echo "status $got, want $want" && return 1; }
}
inode() { stat -c %i "$set/features.npy"; }

# Crops whose landmarks are the template's are encoded as they are.
equals_encode() {
    "$caface" encode -q -m "$model" -o "$work/plain" "$crops" &&
        cmp "$set/features.npy" "$work/plain/features.npy" && cmp "$set/styles.npy" "$work/plain/styles.npy"
}
same_figures() {
    verify --cache "$set" --csv "$work/1.csv" >/dev/null &&
        "$caface" eval verify -f "$set" --meta "$ijb" --dataset IJBX --bootstrap 0 --method average,norm \
            --csv "$work/2.csv" >/dev/null && cmp "$work/1.csv" "$work/2.csv"
}
# The set itself knows templates and media.
index_knows() {
    "$caface" eval verify -f "$set" --pairs "${meta}_template_pair_label.txt" --bootstrap 0 \
        --method average,norm --csv "$work/3.csv" >/dev/null && cmp "$work/1.csv" "$work/3.csv"
}
untouched() { local before; before=$(inode) && json "$@" && [ "$before" = "$(inode)" ]; }
renewed() {
    local got=0
    json "$@" || got=$?
    rm -rf "$work/fresh"
    verify --cache "$work/fresh" >/dev/null 2>&1
    # all but the time of change, which a copy of the file may have
    cmp "$set/features.npy" "$work/fresh/features.npy" &&
        cmp <(cut -f 1-6,8 "$set/index.tsv") <(cut -f 1-6,8 "$work/fresh/index.tsv") && return "$got"
}

check "pictures are aligned and encoded" json '"images":24,"encoded":24,"failed":[]'
check "  crops that are aligned already: the same bits as encode" equals_encode
check "  and the same figures as from the set" same_figures
check "  which has templates and media" index_knows
check "the second run encodes nothing and leaves the set alone" untouched '"images":24,"encoded":0,'
check "  nor does identify" grep -q '"encoded":0,' <("$caface" eval identify --images "$crops" --meta "$ijb" \
    --dataset IJBX -m "$model" --method average --cache "$set" --json)
touch "$crops/03.jpg"
check "a file that was only touched is the same" untouched '"encoded":0,'
"$draw" "$work" 1 7 && mv "$work/00.png" "$crops/02.png"
check "a picture that changed is encoded again, alone" renewed '"encoded":1,'
sed -i '6s/38.2946/30/' "${meta}_name_5pts_score.txt"
check "landmarks that changed, too" renewed '"encoded":1,'
sed -i '8s/ 98 / 97 /' "${meta}_face_tid_mid.txt"
check "a row of another template, too" renewed '"encoded":1,'
{ sed 1d "${meta}_name_5pts_score.txt" && head -1 "${meta}_name_5pts_score.txt"; } >"$work/l" &&
    mv "$work/l" "${meta}_name_5pts_score.txt"
{ sed 1d "${meta}_face_tid_mid.txt" && head -1 "${meta}_face_tid_mid.txt"; } >"$work/l" &&
    mv "$work/l" "${meta}_face_tid_mid.txt"
check "another order of the list needs no encoding" renewed '"encoded":0,'

# Pictures that cannot be used: dropped rows, named, status 3, tried again the next time.
mv "$crops/07.jpg" "$work/07.jpg"
head -c 500 "$crops/10.png" >"$work/cut" && cp "$work/cut" "$crops/10.png"
sed -i '/^20.png/s/ .*/ 5 5 5 5 5 5 5 5 5 5/' "${meta}_name_5pts_score.txt"
three='"dropped":3,'
check "pictures that fail are dropped rows, status 3" status 3 json "$three"
check "  each is named" eval '
    for name in 07.jpg 10.png 20.png; do grep -qF "\"path\":\"$crops/$name\"" "$work/json" || exit 1; done'
check "  no two sets, the next time" status 3 untouched '"images":24,"encoded":0,'
check "  the same as made at once" status 3 renewed "$three"
mv "$work/07.jpg" "$crops/07.jpg"
check "  a picture that came back is encoded" status 3 renewed '"encoded":1,'
"$draw" "$crops" 24 1
lists
check "  and all the others" renewed '"failed":[]'

# What must not be mixed.
check "another backbone is refused, with both hashes" fails 1 "now it would be" verify_by "$other" --cache "$set"
check "another precision" fails 1 "precision is fp32, now it would be bf16" verify --cache "$set" --precision bf16
check "flip" fails 1 "flip is false, now it would be true" verify --cache "$set" --flip
check "a set of encode" fails 1 "not made from listed pictures" verify --cache "$work/plain"
sets() { [ "$(find "$ijb" -maxdepth 1 -name "loose_crop-$1.set" | wc -l)" = "$2" ]; }
by_default() {
    verify >/dev/null && sets '????????' 1 && verify_by "$other" >/dev/null && sets '????????' 2 &&
        verify --flip >/dev/null && sets '????????-flip' 1
}
check "by default every backbone has a set of its own beside the pictures" by_default

# Ctrl-C keeps what is done; the same command goes on, and the set is the same. The list has every
# picture 100 times, by other names, or as often as it takes for Ctrl-C to come before the end.
many() {
    exec "$caface" eval verify --images "$crops" --landmarks "$work/L" --templates "$work/T" --pairs \
        "${meta}_template_pair_label.txt" -m "$model" --method average --bootstrap 0 --cache "$@"
}
interrupted() {
    local got rows times all
    for ((times = 100; times <= 800; times *= 2)); do
        for list in name_5pts_score:L face_tid_mid:T; do
            awk -v times="$times" '{ dots = ""; for (i = 0; i < times; i++) { print dots $0; dots = dots "./" } }' \
                "${meta}_${list%:*}.txt" >"$work/${list#*:}"
        done
        rm -rf "$work/stopped"
        many "$work/stopped" >"$work/out" 2>"$work/err" &
        until [ "$(cat "$work"/stopped.tmp-*/styles.npy* 2>/dev/null | wc -c)" -gt 0 ] || ! kill -0 $! 2>/dev/null; do
            sleep 0.005
        done
        kill -INT $! 2>/dev/null
        got=0
        wait $! || got=$?
        [ "$got" = 0 ] || break
    done
    all=$((24 * times))
    rows=$(($(wc -l <"$work/stopped/index.tsv") - 1))
    echo "status $got, $rows of $all rows"
    [ "$got" != 0 ] && [ ! -s "$work/out" ] && grep -q "run the same command again to continue" "$work/err" &&
        [ "$rows" -lt "$all" ] && grep -q '"complete":false' "$work/stopped/set.json" &&
        (many "$work/stopped" --json) | grep -qF "\"encoded\":$((all - rows))," && (many "$work/whole") >/dev/null &&
        cmp "$work/stopped/features.npy" "$work/whole/features.npy" &&
        cmp "$work/stopped/index.tsv" "$work/whole/index.tsv"
}
check "Ctrl-C keeps what is done, and the same command goes on" interrupted

# A pipe among the pictures is a picture that cannot be used; nothing hangs.
pipe() {
    mv "$crops/12.png" "$work/12.png" && mkfifo "$crops/12.png" && verify --cache "$work/pipe" >/dev/null 2>&1
    [ $? = 3 ] && rm "$crops/12.png" && mv "$work/12.png" "$crops/12.png"
}
check "a pipe among the pictures stops nothing" pipe

line() { # line LIST NUMBER NEW WORD: that line replaced is refused with a sentence that has WORD
    cp "${meta}_$1.txt" "$work/list" && sed -i "$2s/.*/$3/" "${meta}_$1.txt"
    fails 1 "$4" verify --cache "$set"
    local got=$?
    cp "$work/list" "${meta}_$1.txt"
    return "$got"
}
check "landmarks: a word in place of a number" line name_5pts_score 2 "01.jpg 1 2 3 4 x 6 7 8 9 10 1" \
    'name_5pts_score.txt: line 2: field 6 "x" is no number'
check "landmarks: NaN" line name_5pts_score 2 "01.jpg 1 2 3 4 nan 6 7 8 9 10" "line 2: field 6"
check "landmarks: too few" line name_5pts_score 24 "23.jpg 1 2 3 4" "line 24 has 5 fields"
check "landmarks of another picture" line name_5pts_score 3 "22.jpg $template" "line 3 is about 22.jpg"
check "landmarks: a line is missing" line name_5pts_score 24 "" "lists 23 faces"
check "templates: a word in place of a number" line face_tid_mid 3 "02.png x 1" 'line 3: template "x"'
check "a pair of an unknown template is told before anything is encoded" eval '
    echo 100 4 1 >>"${meta}_template_pair_label.txt"
    rm -rf "$work/never"
    fails 1 "template 4 has no row" verify --cache "$work/never" && [ ! -e "$work/never" ]'
lists
check "no such folder" fails 1 "$work/nowhere" verify --images "$work/nowhere"
check "a folder without the pictures" fails 1 "none of the 24 pictures could be used" verify --images "$work" --cache "$work/n"
check "  leaves nothing" test ! -e "$work/n"
check "no backbone" fails 1 "" "$caface" eval verify --images "$crops" --meta "$ijb" --dataset IJBX \
    -m "$fixtures/fusion/catv9_g4_conf512_small/aggregator.ckpt" --method average
check "caface without a fusion network" fails 2 "with a fusion network" verify --method caface --cache "$set"
check "features and images" fails 2 "exclude each other" verify -f "$set"
check "--cache without --images" fails 2 "go with --images" "$caface" eval verify -f "$set" --cache x --pairs p
check "images without landmarks" fails 2 "--landmarks" "$caface" eval verify --images "$crops" -m "$model" --pairs p

# By hand, and with a fusion model of the same shapes.
by_hand() {
    "$caface" eval verify --images "$crops" --landmarks "${meta}_name_5pts_score.txt" --templates \
        "${meta}_face_tid_mid.txt" --pairs "${meta}_template_pair_label.txt" -m "$model" --cache "$set" \
        --bootstrap 0 --method average,norm --csv "$work/4.csv" --json | grep -q '"encoded":0,' &&
        verify --cache "$set" --csv "$work/5.csv" >/dev/null && cmp "$work/4.csv" "$work/5.csv"
}
check "lists by hand" by_hand

# With released weights and a trained fusion model: all methods of the table from pictures.
mobile=${CAFACE_SHARED:-/nowhere}/weights/mobilefacenet/MobileFaceNet.onnx
fusion=${CAFACE_DATA:?}/sample/model.safetensors
with_fusion() {
    "$caface" eval verify --images "$crops" --meta "$ijb" --dataset IJBX -m "$mobile" -m "$fusion" --chunk 4,0 \
        --cache "$work/mobile" --csv "$work/6.csv" >/dev/null &&
        [ "$(cut -d, -f1 "$work/6.csv" | tr '\n' ' ')" = "method average media unit norm caface@4 caface@0 " ] &&
        "$caface" encode -q -m "$mobile" -o "$work/mobile_plain" "$crops" &&
        cmp "$work/mobile/styles.npy" "$work/mobile_plain/styles.npy"
}
if [ -e "$mobile" ]; then
    check "MobileFaceNet and the sample's fusion model" with_fusion
    check "a fusion model of other shapes is refused before encoding" fails 1 "the backbone gives 16 and 20" \
        verify --method caface -m "$fusion" --cache "$work/never"
fi
finish
