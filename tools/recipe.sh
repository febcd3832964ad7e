# shellcheck shell=bash
# Options and stages for egs/*/run.sh, which sources this file before it sets its variables.
#
#   name=value   # what it is          every such line of run.sh, before parse_options, is an
#                                      option --name (or --na-me for na_me) with this default
#   parse_options "$@"                 also --stage N, --stop-stage M, --help, -- key.path=value …
#   stage 1 "what it does" COMMAND…    runs if 1 is asked for; COMMAND may be a function
#   for_each_corpus COMMAND…           COMMAND, which prepares this recipe's corpus; with $corpora each
#                                      of theirs, and all of them combined in $data
#   for_each_set COMMAND…              COMMAND for each of $decode_sets, {set} replaced by its name
#   in_processes COMMAND…              COMMAND in $processes processes that train together
#   finish "sentence" [OPTION…]        where the audio, plots, scores and voice are; how to speak
#
# A stage's output goes to the terminal and to $log_dir/N.log. A stage that fails ends the run with
# its status, its log's name and the command that goes on from there. A TERM or INT signal is
# passed on to the stage, which may save its work first.

set -euo pipefail

recipe_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
recipe_script=$PWD/${0##*/}
recipe_names=()       # of the options
recipe_arguments=()   # as they were given, without --stage, for the command that goes on
recipe_help=false
# shellcheck disable=SC2034  # used in run.sh
overrides=()          # key.path=value behind --
recipe_status=0
stage=1
stop_stage=8

recipe_usage_error() {
    echo "./${0##*/}: $1" >&2
    echo "options:$(printf ' --%s' "${recipe_names[@]//_/-}")" >&2
    exit 2
}

parse_options() {
    local recipe_option recipe_name recipe_value   # not to hide options called name or value
    mapfile -t recipe_names < \
        <(sed -n '/^parse_options/q; s/^\([a-z][a-z0-9_]*\)=.*/\1/p' "$recipe_script")
    recipe_names=(stage stop_stage "${recipe_names[@]}")
    while (($#)); do
        recipe_option=$1
        shift
        case $recipe_option in
            -h | --help)
                recipe_help=true
                continue ;;
            --)
                recipe_take_overrides "$@"
                break ;;
            --*=*)
                recipe_name=${recipe_option%%=*} recipe_value=${recipe_option#*=} ;;
            --*)
                recipe_name=$recipe_option
                (($#)) || recipe_usage_error "option $recipe_option needs a value"
                recipe_value=$1
                shift
                [[ $recipe_value != --* ]] ||
                    recipe_usage_error "option $recipe_option needs a value" ;;
            *)
                recipe_usage_error "'$recipe_option' is no option (config overrides come after --)" ;;
        esac
        recipe_name=${recipe_name#--}
        recipe_name=${recipe_name//-/_}
        # The pattern first: bash runs $(command) in a name like a[$(command)] wherever it is used.
        [[ $recipe_name =~ ^[a-z][a-z0-9_]*$ && " ${recipe_names[*]} " == *" $recipe_name "* ]] ||
            recipe_usage_error "unknown option ${recipe_option%%=*}"
        # A path is the caller's, who may stand in another folder.
        if [[ $recipe_name =~ ^(corpus|vocoder)$ && $recipe_value != /* &&
            -e $OLDPWD/$recipe_value ]]; then
            recipe_value=$OLDPWD/$recipe_value
        fi
        printf -v "$recipe_name" '%s' "$recipe_value"
        [[ $recipe_name == stage ]] || recipe_arguments+=("--${recipe_name//_/-}" "$recipe_value")
    done
    recipe_check_stages
    recipe_tell_licences
    recipe_activate
    if $recipe_help; then
        recipe_print_options
    fi
}

recipe_take_overrides() {
    local override
    for override in "$@"; do
        [[ $override =~ ^[A-Za-z_][A-Za-z0-9_.]*= ]] ||
            recipe_usage_error "'$override' behind -- is no config override: key.path=value"
    done
    # shellcheck disable=SC2034  # used in run.sh
    overrides=("$@")
    (($# == 0)) || recipe_arguments+=(-- "$@")
}

recipe_check_stages() {
    local name
    for name in stage stop_stage; do
        [[ ${!name} =~ ^[1-8]$ ]] ||
            recipe_usage_error "--${name/_/-} is 1 to 8, not '${!name}'"
    done
    ((stage <= stop_stage)) || recipe_usage_error "--stage $stage is after --stop-stage $stop_stage"
}

# Where the recipe of one of $corpora is: in egs, or here.
recipe_folder() {
    if [[ $1 == "${PWD##*/}" ]]; then
        echo "$PWD"
    else
        echo "$recipe_root/egs/$1"
    fi
}

# What is trained on several corpora is under the licences of all, unless others were given.
recipe_tell_licences() {
    local option recipe told
    [[ -n ${corpora:-} ]] || return 0
    for option in licence data_licence; do
        [[ " ${recipe_arguments[*]} " != *" --${option/_/-} "* ]] || continue
        told=$(for recipe in $corpora; do
            sed -n "s/^$option=\"\(.*\)\" *#.*/\1/p" "$(recipe_folder "$recipe")/run.sh" || true
        done 2>/dev/null | awk '!seen[$0]++ { printf "%s%s", separator, $0; separator = "; " }')
        printf -v "$option" '%s' "${told:-unknown}"
    done
}

# Puts this checkout's virtual environment first, unless malsori is there already.
recipe_activate() {
    if ! command -v malsori >/dev/null && [[ -x $recipe_root/.venv/bin/malsori ]]; then
        PATH=$recipe_root/.venv/bin:$PATH
    fi
    if ! $recipe_help && ! command -v malsori >/dev/null; then
        echo "./${0##*/}: malsori is not installed: run 'make install' in $recipe_root" >&2
        exit 1
    fi
    if [[ -t 2 ]]; then
        export MALSORI_PROGRESS=1   # progress bars although the output goes through tee
    fi
}

recipe_print_options() {
    echo "usage: ./${0##*/} [--stage N] [--stop-stage M] [options] [-- key.path=value …]"
    echo
    echo "options and their defaults:"
    sed -n '/^parse_options/q; s/^\([a-z][a-z0-9_]*\)=\([^#]*\)\(#.*\)\{0,1\}$/\1|\2|\3/p' \
        "$recipe_script" |
        while IFS='|' read -r name default text; do
            printf '  --%-16s %-28s %s\n' "${name//_/-}" "$(echo "$default" | xargs)" "${text#\# }"
        done
    echo
    echo "stages:"
}

stage() {
    local number=$1 title=$2
    shift 2
    if $recipe_help; then
        echo "  $number  $title"
        return
    fi
    ((stage <= number && number <= stop_stage)) || return 0
    local log=${log_dir:?}/$number.log
    mkdir -p "${log%/*}"
    echo "== stage $number: $title (log: $log)"
    local began=$SECONDS status
    recipe_run "$log" "$@"
    status=$recipe_status
    sed -i 's/.*\r//' "$log"   # of a progress bar, keep the last state
    if ((status)); then
        {
            echo "== stage $number failed with status $status; its log: $PWD/$log"
            echo "   to go on from here: cd $(printf %q "$PWD") &&" \
                "./${0##*/} --stage $number$(recipe_quoted_arguments)"
        } >&2
        exit "$status"
    fi
    echo "== stage $number done in $((SECONDS - began)) s"
}

recipe_quoted_arguments() {
    ((${#recipe_arguments[@]} == 0)) || printf ' %q' "${recipe_arguments[@]}"
}

# Runs COMMAND, this recipe's own stage 1. With $corpora, names of recipes, runs the stage 1 of each
# that has not been run, of this recipe always, and combines their data dirs in $data.
for_each_corpus() {
    local recipe folder parts=()
    if [[ -z ${corpora:-} ]]; then
        "$@"
        return
    fi
    for recipe in $corpora; do
        folder=$(recipe_folder "$recipe")
        if [[ $folder == "$PWD" ]] && (($#)); then
            "$@"
        elif [[ ! -x $folder/run.sh ]]; then
            echo "--corpora: no recipe $recipe in $recipe_root/egs:" \
                "$(cd "$recipe_root/egs" && echo */run.sh)" >&2
            return 2
        elif [[ ! -e $folder/data/train/text ]]; then
            "$folder/run.sh" --stop-stage 1
        else
            echo "$recipe: prepared before; anew: $folder/run.sh --stop-stage 1"
        fi
        parts+=("$recipe=$folder/data")
    done
    malsori data combine "${parts[@]}" --out "${data:?}" --config "${train_config:?}" \
        --set "${overrides[@]}"
}

# Runs a command for each of $decode_sets, with its name in place of {set}.
for_each_set() {
    local set
    for set in ${decode_sets:?}; do
        "${@//"{set}"/$set}"
    done
}

# Runs a command in $processes processes that know of each other, one for each GPU if there are GPUs.
in_processes() {
    if [[ ! ${processes:?} =~ ^[1-9][0-9]*$ ]]; then
        echo "./${0##*/}: --processes is a number from 1 on, not '$processes'" >&2
        return 2
    elif ((processes == 1)); then
        "$@"
    else
        python -m torch.distributed.run --standalone --nproc-per-node "$processes" --no-python "$@"
    fi
}

# Runs a command in its own process group, so that a signal reaches all of it and not the logger;
# sets recipe_status. Never call it behind || or in an if: bash would ignore errors in COMMAND.
recipe_run() {
    local log=$1 logger child interrupted
    shift
    exec 3> >(trap '' INT TERM && exec tee "$log")
    logger=$!
    set -m
    (set -e; "$@") >&3 2>&1 3>&- </dev/null &
    child=$!
    set +m
    trap 'interrupted=true; kill -TERM -- "-$child" 2>/dev/null || true' TERM
    trap 'interrupted=true; kill -INT -- "-$child" 2>/dev/null || true' INT
    set +e
    while :; do
        interrupted=false
        wait "$child"
        recipe_status=$?
        $interrupted || break   # wait ends early when a signal comes
    done
    exec 3>&-
    wait "$logger"
    set -e
    trap - TERM INT
}

# Says where everything is, and how to speak; $1 is a sentence to try, options for it follow.
finish() {
    if $recipe_help || ((stop_stage < 7)); then
        return
    fi
    local set folder=$PWD/${exp:?} pack
    pack=$folder/${name:?}.malsori.zip
    echo
    for set in ${decode_sets:?}; do
        if [[ -d $folder/decode/$set/textgrid ]]; then
            echo "alignments of $set: $folder/decode/$set"
            continue
        fi
        echo "audio of $set:  $folder/decode/$set/wav"
        echo "scores of $set: $folder/score/$set/report.html"
    done
    echo "plots:         $folder/plots"
    echo "packed voice:  $pack"
    if grep -qs '^  name: align$' "$folder/config.yaml"; then   # the task; it does not speak
        echo "align with it: $(command -v malsori) align --model $(printf %q "$pack")" \
            "--data ${data:-data}/train --out alignments"
    elif [[ -e $folder/config.yaml && ! -e $folder/tokens.txt ]]; then   # a vocoder reads no text
        echo "use it:        $(command -v malsori) decode --model $(printf %q "$pack")" \
            "--data FOLDER_OF_WAVS --out again"
    else
        echo "speak with it: $(command -v malsori) synthesize --model $(printf %q "$pack")" \
            "--text \"$1\"${2+ ${*:2}} --out hello.wav"
        [[ -z ${corpora:-} ]] ||
            echo "its speakers and languages: $(command -v malsori) inspect $(printf %q "$pack")"
    fi
}
