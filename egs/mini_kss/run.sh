#!/usr/bin/env bash
# Mini KSS (Korean, in this repository): from the corpus to a packed JETS voice. See README.md.
# shellcheck source=../../tools/recipe.sh
cd "$(dirname "${BASH_SOURCE[0]}")" && . ../../tools/recipe.sh

corpus=corpus                       # folder or zip file
field=3                             # script that is the text: 3 expanded, 2 original
corpora=                            # recipes to train on together, "kss ljspeech"; empty: this one
token_type=phn                      # phn, char or bpe
frontend=ko                         # text front end: ko, g2pk or jamo; of several languages: ko,en
train_config=conf/train_jets.yaml   # settings of model and training
name=                               # the run folder is exp/NAME; empty: from config and tokens
sets="train dev test train_sample"  # data dirs to make tokens and statistics for
decode_sets="test train_sample"     # data dirs to decode and score
checkpoint=best                     # best, last, average or step-N: to decode, score and pack
vocoder=                            # pack or run folder that makes a model's mels audible; empty: Griffin-Lim
licence="CC BY 2.0 FR"              # of the voice, told in the pack
data_licence="CC BY 2.0 FR"         # of the corpus, told in the pack
processes=1                         # that train together: one for each GPU
jobs=2                              # files to read at a time
parse_options "$@"

data=data${corpora:+/${corpora// /_}}
text=${token_type}_${frontend//[,=]/_}
inputs=$(basename "${train_config#*train_}" .yaml)_$text
tokens=$data/tokens/$text
stats=$data/stats/$inputs
name=${name:-$inputs${corpora:+_${corpora// /_}}}
exp=exp/$name
log_dir=$exp/log
read -ra dirs <<<"$sets"
dirs=("${dirs[@]/#/$data/}")

stage 1 "data: find the speech, split, write data dirs" \
    for_each_corpus python local/prepare.py --corpus "$corpus" --field "$field" \
    --out data --jobs "$jobs"
stage 2 "tokens: what the texts sound like" \
    malsori tokens --data "${dirs[@]}" --out "$tokens" --type "$token_type" --frontend "$frontend"
stage 3 "stats: pitch, energy and lengths" \
    malsori stats --config "$train_config" --data "${dirs[@]}" --tokens "$tokens" \
    --out "$stats" --jobs "$jobs" --set "${overrides[@]}"
stage 4 "train" \
    in_processes malsori train --config "$train_config" --exp "$exp" \
    "data.train=$data/train" "data.dev=$data/dev" "data.tokens=$tokens" "data.stats=$stats" \
    "${overrides[@]}"
stage 5 "decode: speak the texts of: $decode_sets" \
    for_each_set malsori decode --exp "$exp" --data "$data/{set}" --checkpoint "$checkpoint" \
    ${vocoder:+--vocoder "$vocoder"}
stage 6 "score: compare with the recordings of: $decode_sets" \
    for_each_set malsori score --exp "$exp" --set "{set}" --data "$data/{set}"
stage 7 "pack: one file that speaks" \
    malsori pack --exp "$exp" --out "$exp/$name.malsori.zip" --checkpoint "$checkpoint" \
    --licence "$licence" --data-licence "$data_licence"
stage 8 "export: the same for ONNX Runtime" \
    malsori export --to onnx --if-possible --model "$exp/$name.malsori.zip" \
    --out "$exp/$name.onnx.zip" \
    ${vocoder:+--vocoder "$vocoder"}
finish "안녕하세요. 만나서 반갑습니다." ${corpora:+--language ko}
