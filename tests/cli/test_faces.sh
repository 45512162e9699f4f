#!/usr/bin/env bash
# caface detect, encode --detector and compare, from outside: a detector that
# takes white places for faces, a small random backbone, two moving squares.
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
draw=$2
detector=$fixtures/detect/scrfd_any.onnx
model=$fixtures/detect/face_112.onnx
clip=$fixtures/video/squares.mp4

mkdir "$work/pictures"
"$draw" "$work/pictures" 2 1 || exit 1
: >"$work/empty.jpg"
printf 'no video, just text\nand more of it\n' >"$work/text.mp4"
picture=$work/pictures/00.png
two=$work/two
detect() { "$caface" detect --detector "$detector" --min-face 5 "$@"; }
encode() { "$caface" encode --quiet --model "$model" --detector "$detector" --min-face 5 "$@"; }
# The second track's similarity of a method in $work/powers: its faces differ.
similarity_of() { grep -o "\"$1\":{\"similarity\":[-0-9.e]*" "$work/powers" | sed -n '2s/.*://p'; }
compare() { "$caface" compare --model "$model" --detector "$detector" --min-face 5 "$@"; }
# What the program says, with its exit status as the last line.
status() { "$@" 2>&1; echo "status $?"; }

for kind in fixed any; do
    check "a detector is no backbone ($kind)" fails 1 "scrfd_$kind.onnx: output out0 has a score for each of" \
        "$caface" encode --model "$fixtures/detect/scrfd_$kind.onnx" -o "$work/none" "$picture"
done
check "  and nothing is written" test ! -e "$work/none"
check "a picture without faces" grep -q '"faces":\[\]' <(detect --json "$picture")
check "  has its size" grep -q '"width":[0-9]*,"height":[0-9]*' <(detect --json "$picture")
mkdir "$work/mixed" && cp "$picture" "$work/mixed/" && touch "$work/mixed/a.xyz" "$work/mixed/notes"
check "what a folder holds beside pictures is counted" grep -qF '"passed_over":{".xyz":1,"":1}' <(detect --json "$work/mixed")
check "  and said" grep -qx 'passed over: 1 .xyz, 1 without a suffix' <(detect "$work/mixed" 2>&1)
mkdir "$work/forty" && for i in $(seq 10 49); do cp "$picture" "$work/forty/$i.png"; done
check "crops of more photographs than a table begins with" detect --crops "$work/crops40" "$work/forty"
program=$(realpath "$caface") finder=$(realpath "$detector")
here() { (cd "$work/forty" && "$program" detect --detector "$finder" --crops "$work/crops-here" .); }
check "  of the folder that one is in" here
check "a run that was not stopped is complete" grep -qF '"complete":true}' <(detect --json "$work/mixed")
check "a precision that is none" fails 2 "fp32 or bf16" detect --detector-precision int8 "$picture"
check "the family is named" grep -q '"detector":"scrfd"' <(detect --json "$picture")
check "pictures drawn" detect --quiet --draw "$work/drawn" "$work/pictures"
check "  one PNG a picture" test -s "$work/drawn/0001-00.png.png"
# Crops of photographs in folders: encoded, they are what the photographs give.
mkdir -p "$work/people/ann" "$work/people/bob"
cp "$fixtures/detect/white.png" "$work/people/ann/1.png" && cp "$fixtures/detect/white.png" "$work/people/bob/2.x.png"
touch -d 2021-02-03T04:05:06Z "$work/people/ann/1.png"
check "crops" detect --quiet --crops "$work/crops" "$work/people"
check "  a folder a person" test -s "$work/crops/ann/1-1.png" -a -s "$work/crops/bob/2.x-1.png"
check "  where they are from, and when" grep -q "^ann/1-1.png	$work/people/ann/1.png	ann	1	.*	2021-02-03T04:05:06Z			\$" "$work/crops/index.tsv"
check "  a row a crop" test "$(wc -l <"$work/crops/index.tsv")" = "$(($(find "$work/crops" -name '*.png' | wc -l) + 1))"
check "  the same features as the photographs'" eval 'encode -o "$work/by_photo" "$work/people" && "$caface" encode --quiet --model "$model" -o "$work/by_crop" "$work/crops" && cmp "$work/by_photo/features.npy" "$work/by_crop/features.npy"'
cp "$fixtures/detect/white.png" "$work/people/ann/1.jpg"
check "  two of one name are refused" fails 1 "both would become" detect --quiet --crops "$work/crops2" "$work/people"
check "  not among others" fails 1 "already" detect --quiet --crops "$work/crops" "$fixtures/detect/white.png"
check "whose face of no kind" fails 2 "--face middle: all, largest or best" detect --face middle "$fixtures/detect/white.png"
printf '%s\t../away\n' "$fixtures/detect/white.png" >"$work/away.txt"
check "  a label that leads out of the folder" fails 1 "leads out of" detect --quiet --crops "$work/crops2" "$work/away.txt"
check "  nothing is written" test ! -e "$work/crops2" -a ! -e "$work/away"
check "an empty picture: status 1" fails 1 "empty.jpg: an empty file" detect "$work/empty.jpg"
check "one of two: status 3" grep -q "^status 3" <(status detect --quiet "$picture" "$work/empty.jpg")
# Several pictures at once, two of them bad: reported in the order they were given.
for i in 1 2 3 4 5 6; do cp "$fixtures/detect/white.png" "$work/pictures/b$i.png"; done
cp "$work/empty.jpg" "$work/pictures/a.jpg"
cp "$work/text.mp4" "$work/pictures/c.png"
serial() { detect --threads 1 "$@" 2>&1; }
parallel() { detect --threads 5 "$@" 2>&1; }
check "five threads print what one prints" cmp <(serial "$work/pictures") <(parallel "$work/pictures")
check "and the same JSON" cmp <(serial --json "$work/pictures") <(parallel --json "$work/pictures")
check "  of all pictures that can be read" test "$(parallel "$work/pictures" | grep -c '[0-9] faces*$')" = 8
check "no detector named" fails 2 "--detector" "$caface" detect "$picture"
check "a detector that is none" fails 1 "text.mp4" "$caface" detect --detector "$work/text.mp4" "$picture"
check "a missing picture" fails 1 "nowhere.jpg" detect "$work/nowhere.jpg"

if [ "${3:-}" = video ]; then
    check "two squares, two tracks" encode -o "$two" "$clip"
    head -c 1900 "$clip" >"$work/head.mp4"
    check "a cut MP4 is named as one" fails 1 "head.mp4: cannot be opened as a video: an MP4 without its index" encode -o "$work/head" "$work/head.mp4"
    check "  by info, too" fails 1 "it was cut short at 1900 bytes" "$caface" info "$work/head.mp4"
    piped() { head -c "$1" "$fixtures/video/late.mkv" | encode -o "$work/piped-$1" -; }
    check "a pipe that ends before the length it announces" fails 3 "it should last 14.40 s" piped 5000
    check "  and one that does not" piped 100000
    check "  a row a face" test "$(wc -l <"$two/index.tsv")" = 81
    check "  40 faces each" test "$(cut -f3 "$two/index.tsv" | sort | uniq -c | tr -s ' ' | tr '\n' ';')" = " 40 1; 40 2; 1 track;"
    check "  tracks.json has both" grep -q '"id":1,.*"id":2,.*"confirmed":true' "$two/tracks.json"
    check "  written again over itself" encode -o "$two" "$clip"
    check "  fused by track" grep -q '"templates":2' <("$caface" fuse --json --method average --input "$two" -o "$work/t.npz")
    bits() { encode --threads "$1" -o "$work/t$1" "$clip" && cmp "$two/features.npy" "$work/t$1/features.npy" && cmp "$two/index.tsv" "$work/t$1/index.tsv"; }
    check "one thread: the same bits" bits 1
    check "three threads: the same bits" bits 3
    check "every second frame" encode --every 2 -o "$work/half" "$clip"
    check "  half of the rows" test "$(wc -l <"$work/half/index.tsv")" = 41
    check "one second from the first on" encode --start 1 --duration 1 -o "$work/part" "$clip"
    check "  ten frames" test "$(wc -l <"$work/part/index.tsv")" = 21
    check "no duration at all" fails 2 "--duration 0" encode --duration 0 -o "$work/none" "$clip"
    check "from stdin" encode -o "$work/pipe" - <"$clip"
    check "  the same rows" test "$(wc -l <"$work/pipe/index.tsv")" = 81
    check "from <(...), which is a pipe under /dev" eval 'encode -o "$work/pipe2" <(cat "$fixtures/video/fragments.mp4") && [ "$(wc -l <"$work/pipe2/index.tsv")" = 51 ]'
    head -c -400 "$clip" >"$work/headless.mp4"
    check "an MP4 that lost the index at its end" fails 1 "without its index" encode -o "$work/none" "$work/headless.mp4"
    cp "$clip" "$work/greedy.mp4" && printf '\177\377\377\377' | # the number of a table's entries
        dd of="$work/greedy.mp4" bs=1 conv=notrunc seek=$(($(grep -abo stts "$clip" | head -n 1 | cut -d : -f 1) + 8)) status=none
    check "an MP4 that announces two thousand million times" fails 1 "more memory than can be had" encode -o "$work/none" "$work/greedy.mp4"
    live_source() { "$caface" encode --model "$model" --detector "$detector" --min-face 5 --live --json -o "$work/live" - <"$clip" >"$work/live.json" 2>"$work/live.err"; }
    check "a live source" live_source
    frames() { sed 's/.*"'"$1"'":\([0-9]*\).*/\1/' "$work/live.json"; }
    check "  every frame is searched or counted" test $(($(frames images) + $(frames dropped_frames))) = 40
    check "  and said" test "$(grep -c 'left out to keep up' "$work/live.err")" = $(($(frames dropped_frames) > 0))
    check "a file is not live" fails 1 "live is for a camera" encode --live -o "$work/none" "$clip"
    check "pictures are not live" fails 2 "live is for a camera" encode --live -o "$work/none" "$picture"
    check "--reopen is for --live" fails 2 "--reopen is for --live" encode --reopen 3 -o "$work/none" - <"$clip"
    live_probe() { compare --live --json --probe - --gallery "A=$fixtures/detect/white.png" <"$clip" >"$work/live.json"; }
    check "compare, live" live_probe
    check "  every frame is searched or counted" test $(($(frames frames) + $(frames dropped_frames))) = 40
    check "tracks drawn into a video" encode --draw "$work/drawn.mp4" -o "$work/d" "$clip"
    check "  the same rows" cmp "$two/index.tsv" "$work/d/index.tsv"
    check "  the same features" cmp "$two/features.npy" "$work/d/features.npy"
    check "  that is a video, and its squares are found again" encode -o "$work/again" "$work/drawn.mp4"
    check "  an ending that is none" fails 2 "x.avi: the name must end in .mp4" encode --draw "$work/x.avi" -o "$work/none" "$clip"
    check "  two videos" fails 1 "drawing takes exactly one video" encode --draw "$work/x.mp4" -o "$work/none" "$clip" "$clip"
    check "  a photograph" fails 1 "drawing takes exactly one video" encode --draw "$work/x.mp4" -o "$work/none" "$picture"
    check "  where nothing can be written" fails 1 "nowhere/x.mp4: cannot be written" encode --draw "$work/nowhere/x.mp4" -o "$work/none" "$clip"
    ln -s /dev/full "$work/full.mp4"
    check "  a full disk" fails 1 "full.mp4: cannot be written: No space left" encode --draw "$work/full.mp4" -o "$work/none" "$clip"
    # Going on: a set of the first inputs, said to be stopped, with all of them. What was read to its end is
    # not read again: its file is gone.
    cp "$clip" "$work/a.mp4"
    cp "$clip" "$work/b.mp4"
    cp "$fixtures/detect/white.png" "$work/w1.png"
    cp "$fixtures/detect/white.png" "$work/w2.png"
    all=("$work/w1.png" "$work/a.mp4" "$work/b.mp4" "$work/w2.png" "$picture")
    same_set() { for f in features.npy index.tsv tracks.json set.json; do cmp "$1/$f" "$2/$f" || return 1; done; }
    went_on() { # FIRST-INPUTS GONE
        rm -rf "$work/part"
        encode -o "$work/part" "${all[@]:0:$1}" && sed -i 's/"complete":true/"complete":false/' "$work/part/set.json" &&
            { [ -z "$2" ] || mv "$2" "$2.away"; }
        encode --resume -o "$work/part" "${all[@]}"
        local got=$?
        [ -z "$2" ] || mv "$2.away" "$2"
        [ $got = 0 ] && same_set "$work/whole" "$work/part"
    }
    check "pictures and videos in one go" encode -o "$work/whole" "${all[@]}"
    check "--resume after a picture" went_on 1 ""
    check "  in the middle of the first video" went_on 2 ""
    check "  in the middle of the second: the first is not read again" went_on 3 "$work/a.mp4"
    check "  after both" went_on 4 "$work/b.mp4"
    killed() { # what a killed run leaves has no tracks
        encode -o "$work/part" "${all[@]:0:4}" && rm "$work/part/tracks.json" &&
            sed -i 's/"complete":true/"complete":false/' "$work/part/set.json" &&
            encode --resume -o "$work/part" "${all[@]}" && same_set "$work/whole" "$work/part"
    }
    check "  after a killed run" killed
    # The same photograph twice: its rows are there twice, and going on gives the same.
    same_rows() { cmp "$work/listed/features.npy" "$work/listed2/features.npy" && cmp "$work/listed/index.tsv" "$work/listed2/index.tsv"; }
    listed_twice() {
        local photos=("$work/w1.png" "$work/w2.png" "$work/w1.png" "$work/w1.png")
        encode -o "$work/listed" "${photos[@]}" && cp -r "$work/listed" "$work/listed2" &&
            encode --resume -o "$work/listed2" "${photos[@]}" && same_rows && rm -r "$work/listed2" &&
            encode -o "$work/listed2" "${photos[@]:0:3}" && sed -i 's/"complete":true/"complete":false/' "$work/listed2/set.json" &&
            encode --resume -o "$work/listed2" "${photos[@]}" && same_rows &&
            [ "$(awk -F'\t' 'NR > 1 && $1 ~ "/w1[.]png$"' "$work/listed/index.tsv" | wc -l)" = \
                $((3 * $(awk -F'\t' 'NR > 1 && $1 ~ "/w2[.]png$"' "$work/listed/index.tsv" | wc -l))) ]
    }
    check "  a photograph that is listed twice" listed_twice
    check "  of a finished set" encode --resume -o "$work/whole" "${all[@]}"
    check "    changes nothing" same_set "$work/whole" "$work/part"
    check "  with other inputs is refused" fails 1 "not among the inputs" encode --resume -o "$work/part" "$work/a.mp4"
    check "  with another way to find faces" fails 1 "detection is scrfd" encode --score 0.7 --resume -o "$work/part" "${all[@]}"
    check "  with crops" fails 1 "detection is scrfd" "$caface" encode -q --model "$model" --resume -o "$work/part" "$work/w1.png"
    check "  with --flip" fails 1 "flip is false" encode --flip --resume -o "$work/part" "${all[@]}"
    check "  and --draw" fails 2 "--resume" encode --draw "$work/x.mp4" --resume -o "$work/part" "$work/a.mp4"
    check "  with another person of a picture" fails 1 "the largest face" encode --face largest --resume -o "$work/part" "${all[@]}"
    # A video's people on disk: a folder a track, its features those of the video.
    check "crops of a video" detect --quiet --crops "$work/tracks" "$clip"
    check "  a folder a track" test "$(find "$work/tracks/squares-1" "$work/tracks/squares-2" -name '*.png' | wc -l)" = 80
    check "  when and where" grep -q "^squares-2/000039.png	$clip	squares-2		.*	2	39	[0-9.]*\$" "$work/tracks/index.tsv"
    by_track() { # SET: its features, a line a face, track by track
        paste <(tail -n +2 "$1/index.tsv" | cut -f"$2") <(tail -c +129 "$1/features.npy" | xxd -p -c 64) | sort -s -k1,1 | cut -f2
    }
    check "  the same features as the video's" eval '"$caface" encode --quiet --model "$model" -o "$work/by_track" "$work/tracks" && encode -o "$work/by_clip" "$clip" && cmp <(by_track "$work/by_track" 3) <(by_track "$work/by_clip" 3)'
    check "  JSON" grep -q '"videos":\[{"path":"[^"]*","frames":40,"brief_tracks":0,"tracks":\[{"id":1,"folder":"squares-1","faces":40,"first_frame":0,"last_frame":39}' <(detect --json --crops "$work/tracks2" "$clip" "$picture")
    check "  two of one name are refused" fails 1 "both would become" detect --crops "$work/tracks3" "$clip" "$clip"
    check "  a video that is none: status 3" grep -q "^status 3" <(status detect --quiet --crops "$work/tracks4" "$work/text.mp4" "$picture")
    check "  --every" grep -q '"frames":10,.*"faces":10' <(detect --json --every 4 --crops "$work/tracks5" "$clip")
    check "  brief tracks are left out" grep -q '"frames":1,"brief_tracks":2,"tracks":\[\]' <(detect --json --duration 0.06 --crops "$work/tracks6" "$clip")
    check "  --every without a video" fails 2 "for videos" detect --every 4 "$picture"
    check "--face of no kind" fails 2 "--face middle: all, largest or best" encode --face middle -o "$work/none" "${all[@]}"
    check "--flip of found faces" encode --flip -o "$work/flip" "${all[@]}"
    check "  is written down" grep -q '"flip":true' "$work/flip/set.json"
    check "  and is another feature" eval '! cmp -s "$work/whole/features.npy" "$work/flip/features.npy"'
    check "text is no video" fails 1 "text.mp4: cannot be opened as a video" encode -o "$work/none" "$work/text.mp4"
    check "  and nothing is left" test ! -e "$work/none"
    check "a video without faces" fails 1 "no face" encode --score 0.99 -o "$work/none" "$clip"
    check "a gallery without a face" fails 1 "no face is found in this gallery picture" compare --score 0.99 --probe "$clip" --gallery "$fixtures/detect/white.png"
    check "a gallery that is no picture" fails 1 "empty.jpg" compare --probe "$clip" --gallery "$work/empty.jpg"
    mixed() { # SENTENCE
        local got=0
        compare --quiet --probe "$clip" --gallery "A=$work/empty.jpg" "A=$fixtures/detect/white.png" "B=$work/empty.jpg" 2>"$work/.err" || got=$?
        [ $got = 3 ] && grep -qF -- "$1" "$work/.err"
    }
    check "bad gallery pictures are named and passed over" mixed "empty.jpg: an empty file"
    check "  and counted" mixed "2 gallery pictures were passed over"
    check "  who has none left is named" mixed "B: none of this person's pictures can be used"
    check "  nobody is left" fails 1 "empty.jpg" compare --probe "$clip" --gallery "A=$work/empty.jpg"
    check "a crop is taken as it is" compare --quiet --probe "$clip" --gallery "A=$picture"
    check "  --face of no kind" fails 2 "--face middle: largest or best" compare --face middle --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "a probe without faces" fails 1 "no face is followed" compare --start 60 --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "compare" compare --quiet --probe "$clip" --gallery "A=$fixtures/detect/white.png" "A=$fixtures/detect/white.png" "$fixtures/detect/white.png" -o "$work/out"
    files=14 # the numbers, a page and twelve plots
    grep -q "built without cairo" "$work/.log" && files=2
    check "  $files files" test "$(find "$work/out" -type f | wc -l)" = "$files"
    # Names that differ in what no file's name keeps, or behind what fits into one: a plot for each all the same.
    alike() {
        local long name gallery=() kinds=3
        long=$(printf 'n%.0s' $(seq 400))
        for name in 'a?b' 'a*b' 'a/b' 'Jürg' 'Jörg' "${long}x" "${long}y"; do gallery+=("$name=$fixtures/detect/white.png"); done
        [ "$files" != 2 ] || kinds=0
        compare --quiet --single --probe "$clip" --gallery "${gallery[@]}" -o "$work/alike" &&
            [ "$(find "$work/alike" -name 'similarity-*' | wc -l)" = $((kinds * ${#gallery[@]})) ] && [ -s "$work/alike/report.html" ]
    }
    check "  people of nearly one name have plots of their own" alike
    # shellcheck disable=SC2034 # eval reads it
    nasty=$(printf 'a\033[31m\302\233b\342\200\256c')
    check "  and no name is obeyed by the terminal" eval '! compare --probe "$clip" --gallery "$nasty=$fixtures/detect/white.png" 2>&1 | LC_ALL=C grep -P "[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]"'
    check "  a page" grep -q '^</html>' "$work/out/report.html"
    check "  without the network" eval "! grep -qE '(src|href)=\"(https?:)?//' '$work/out/report.html'"
    check "  numbers" grep -q '"id":1,"faces":40,"gallery":\[{"name":"A","methods":{"average":{"similarity":[-0-9.e]*,"match":' "$work/out/compare.json"
    check "--json has tracks and threshold" grep -q '^{.*"tracks":\[.*"threshold":0.9}$' <(compare --json --threshold 0.9 --probe "$clip" --gallery "$fixtures/detect/white.png")
    check "  who a track is" grep -q '"verdict":"[a-z ]*","name":' "$work/out/compare.json"
    # norm of power 0 weighs every face alike, as average does: an independent value for the power.
    check "methods with their numbers" eval 'compare --json --threshold 0.9 --method average,unit,norm:0,norm:7 --probe "$clip" --gallery "A=$fixtures/detect/white.png" >"$work/powers"'
    check "  a power is used" eval '[ "$(similarity_of average)" = "$(similarity_of norm:0)" ] && [ "$(similarity_of norm:0)" != "$(similarity_of norm:7)" ]'
    check "  a method without a threshold is no guess" fails 1 "norm:7: no threshold is known" compare --method norm:7 --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "  twice" fails 2 "given twice" compare --method norm,norm:1 --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "--no-plots leaves two files, and none of the comparison before" compare --quiet --no-plots --probe "$clip" --gallery "A=$fixtures/detect/white.png" -o "$work/out"
    check "  two" test "$(find "$work/out" -type f | wc -l)" = 2
    check "  with -o alone" fails 2 "--no-plots needs -o" compare --no-plots --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    printf '{"results":[{"name":"average","method":"average","threshold":{"0.001":0.25,"1e-06":0.9},"unsupported":["1e-06"]}]}' >"$work/far.json"
    file_of() { compare --json --thresholds "$work/far.json" --probe "$clip" --gallery "A=$fixtures/detect/white.png" "$@"; }
    check "thresholds of a file" grep -q '"thresholds":{"average":0.25},"far":0.001,.*"threshold":0.25}$' <(file_of --method average)
    check "  a FAR that it has not" fails 1 "no threshold of average at a FAR of 0.01" file_of --method average --far 0.01
    check "  a FAR for which it had too few pairs" fails 1 "too few for a FAR of 1e-06" file_of --method average --far 1e-6
    check "  a method that it has not" fails 1 "no result of method unit" file_of --method unit
    check "  a file of something else" fails 1 "not written by eval verify" compare --thresholds "$work/out/compare.json" --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "  without a file the FAR is known at one place" fails 1 "--far 0.01: the thresholds that are known" compare --far 0.01 --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "gallery pictures below --min-quality are passed over" fails 1 "is below 1e+06" compare --min-quality 1e6 --probe "$clip" --gallery "A=$fixtures/detect/white.png"
    check "  no set of none" fails 1 "passes --min-quality" encode --min-quality 1e6 -o "$work/none" "$clip"
    check "compare drawn" compare --quiet --draw "$work/named.mkv" --threshold -1 --probe "$clip" --gallery "Ann=$fixtures/detect/white.png"
    check "  is a video, in which the squares are found again" encode -o "$work/again" "$work/named.mkv"
    check "a folder that cannot be made" fails 1 "nowhere/out: cannot be made: No such file" compare -o "$work/nowhere/out" --probe "$clip" --gallery "$fixtures/detect/white.png"
    check "nothing is left of a compare that fails" fails 1 "no face is followed" compare --start 60 -o "$work/left" --draw "$work/left.mp4" --probe "$clip" --gallery "$fixtures/detect/white.png"
    check "  no folder, no video" test ! -e "$work/left" -a ! -e "$work/left.mp4"
    white=$fixtures/detect/white.png
    check "one template of the whole clip" grep -q '"tracks":\[{"id":1,"faces":40,"gallery":[^}]*}.*"brief":false}\],"threshold"' <(compare --json --single --probe "$clip" --gallery "$white")
    check "  where two squares are two tracks" grep -q '{"id":2,"faces"' <(compare --json --probe "$clip" --gallery "$white")
    check "two frames are enough where nothing is longer" grep -q '"faces":2,.*"brief":true' <(compare --json --duration 0.15 --probe "$clip" --gallery "$white")
    mkdir "$work/blank" && cp "$picture" "$work/blank/1.png" && cp "$picture" "$work/blank/2.png"
    check "no face anywhere: the middle" grep -q '"centered_frames":2,"tracks":\[{"id":1,"faces":2,' <(compare --json --single --center --probe "$work/blank" --gallery "$picture")
    check "  only when asked for" fails 1 "no face is followed" compare --single --probe "$work/blank" --gallery "$white"
    # The middle of the frames that were drawn on, whose boxes are coloured.
    colours() { compare --score 0.99 --json --single --center --chroma "$1" --probe "$work/named.mkv" --gallery "$white"; }
    check "colours in another way are other features" eval '! cmp -s <(colours full) <(colours fast)'
    check "  and opencv is a third" eval '! cmp -s <(colours opencv) <(colours fast) && ! cmp -s <(colours opencv) <(colours full)'
    check "colours in no way" fails 2 "--chroma best" compare --chroma best --probe "$clip" --gallery "$white"
    check "caface without a model" fails 2 "a fusion model is needed" compare --method caface --probe "$clip" --gallery "$fixtures/detect/white.png"
    check "a method that is none, before any file is opened" fails 2 "bogus" compare --model "$work/nowhere" --method average,bogus --probe x --gallery y
    check "an unknown method" fails 2 "best" compare --method best --probe "$clip" --gallery "$fixtures/detect/white.png"
fi
check "options about faces need a detector" fails 2 "--detector" "$caface" encode --model "$model" --every 2 -o "$work/x" "$picture"
finish
