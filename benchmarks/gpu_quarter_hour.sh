#!/usr/bin/env bash
# Twelve unattended minutes on a borrowed GPU: the table of benchmarks/gpu.py, then training, exports and samples.
#
#   OUT=results benchmarks/gpu_quarter_hour.sh QUEUE
#
# QUEUE is a text file. A line is a time limit in seconds and the rest of a command; paths have no spaces:
#
#   30 speed flowsr-base --data photos/ --trunk squeezenet11.safetensors --batches device
#   240 restorer --pairs lessons/ --init base.safetensors --trunk squeezenet11.safetensors --features lite0.pth
#
# `speed` is benchmarks/training/speed.py, anything else a recipe of `srcli train`, without --out and --max-minutes.
# Runs are trained in turn, each within its limit. OUT gets gpu.txt, speed tables, runs, exported weights, samples
# (x4, of the pictures in SAMPLES) and log.txt. The same command goes on after a cut: what is finished is not done
# again, and a run has what is left of its limit. At most a minute of training is lost. On another machine, copy OUT
# there first.
#
# LIMIT: seconds in all, 720. RESERVE: of these, seconds kept for starts, exports and samples, 60. DEVICE: auto. TABLE:
# further options of benchmarks/gpu.py. SAMPLES: examples/. ABOUT: the training photos in one line, for the metadata of
# exports. PYTHON: python. Without a GPU: DEVICE=cpu TABLE="--outputs 320x180 --repeats 1", and a tiny recipe.
set -uo pipefail

queue=${1:?name a queue file}
: "${OUT:?name a folder: OUT=results $0 $queue}"
LIMIT=${LIMIT:-720} RESERVE=${RESERVE:-60} DEVICE=${DEVICE:-auto} PYTHON=${PYTHON:-python}
here=$(cd "$(dirname "$0")/.." && pwd)
SAMPLES=${SAMPLES:-$here/examples} ABOUT=${ABOUT:-not told}
start=$(date +%s)
export PYTHONUNBUFFERED=1 PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$OUT/runs" "$OUT/weights" "$OUT/samples" "$OUT/tables"

say() { echo "$(($(date +%s) - start)) s: $*" | tee -a "$OUT/log.txt"; }
left() { echo $((start + LIMIT - RESERVE - $(date +%s))); }

child=
stop() {
    [ -n "$child" ] && kill -INT "$child" 2>/dev/null && wait "$child"
    say "stopped; the same command goes on"
    exit 130
}
trap stop INT TERM

# Options that a resumed run does not take, each with a value.
begins=" --init --recipe --seed --formulation --degradation --levels "

table() { # FILE SECONDS COMMAND...: a table that is made once, within so many seconds
    local file=$1 seconds=$2
    shift 2
    if [ -s "$file" ]; then return; fi
    if timeout "$seconds" "$@" >"$file.part" 2>&1; then
        mv "$file.part" "$file"
        say "$(basename "$file")"
    else
        say "$(basename "$file") failed or took more than $seconds s: $(tail -n 1 "$file.part")"
    fi
}

train() { # RUN SECONDS RECIPE OPTIONS...: train within what is left of so many seconds
    local run=$1 seconds=$2 recipe=$3 spent=0 began before
    shift 3
    local options=("$@") kept=()
    if [ -s "$run/checkpoint.safetensors" ]; then
        while [ ${#options[@]} -gt 0 ]; do
            if [[ $begins == *" ${options[0]} "* ]]; then options=("${options[@]:2}"); else
                kept+=("${options[0]}")
                options=("${options[@]:1}")
            fi
        done
        options=("${kept[@]}" --resume)
    fi
    [ -s "$run.spent" ] && spent=$(<"$run.spent")
    before=$spent
    seconds=$((seconds - spent < $(left) ? seconds - spent : $(left)))
    if [ "$seconds" -lt 1 ]; then return 0; fi
    # As a child that hears SIGINT, which background jobs of a script ignore.
    "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execvp(sys.argv[1], sys.argv[1:])' "$PYTHON" -m srcli train "$recipe" "${options[@]}" --out "$run" -g "$DEVICE" \
        --max-minutes "$(awk "BEGIN { print $seconds / 60 }")" --save-minutes 1 >>"$run.log" 2>&1 &
    child=$!
    began=$(date +%s)
    while kill -0 "$child" 2>/dev/null; do
        sleep 1
        echo $((before + $(date +%s) - began)) >"$run.spent"
    done
    wait "$child"
    local code=$?
    child=
    say "$(basename "$run"): $(tail -n 1 "$run.log")"
    return $code
}

finish() { # RUN: export its weights and enlarge the samples
    local run=$1 name weights
    name=$(basename "$run") weights=$OUT/weights/$(basename "$run").safetensors
    if ! "$PYTHON" -m srcli train export "$run" -o "$weights" --data "$ABOUT" >>"$run.log" 2>&1; then
        say "$name: no export: $(tail -n 1 "$run.log")"
        return 1
    fi
    if "$PYTHON" -m srcli upscale "$SAMPLES" -m "$weights" -s 4 -o "$OUT/samples/$name" -g "$DEVICE" --overwrite \
        >>"$run.log" 2>&1; then
        say "$name: weights and samples"
    else
        say "$name: weights; no samples: $(tail -n 1 "$run.log")"
    fi
}

main() { # in one piece: a shell reads what it runs bit by bit, and a file may change meanwhile
    if [ -f "$here/benchmarks/gpu.py" ]; then
        # shellcheck disable=SC2086  # several options
        table "$OUT/gpu.txt" 110 "$PYTHON" "$here/benchmarks/gpu.py" --device "$DEVICE" ${TABLE:-}
    fi

    local number=0 words seconds what name run spent
    while read -r -a words || [ ${#words[@]} -gt 0 ]; do
        [ ${#words[@]} -lt 2 ] && continue
        [[ ${words[0]} == \#* ]] && continue
        number=$((number + 1))
        seconds=${words[0]} what=${words[1]}
        name=$(printf '%02d-%s' "$number" "$what")
        if [ "$what" = speed ]; then
            if [ "$(left)" -gt "$seconds" ]; then
                table "$OUT/tables/$name.txt" "$seconds" "$PYTHON" "$here/benchmarks/training/speed.py" \
                    "${words[@]:2}" --device "$DEVICE"
            fi
            continue
        fi
        run=$OUT/runs/$name
        [ -f "$run.done" ] && continue
        if [ "$(left)" -lt 5 ]; then
            say "no time left for $name"
            continue
        fi
        if train "$run" "$seconds" "$what" "${words[@]:2}" && finish "$run"; then
            spent=$(cat "$run.spent" 2>/dev/null || echo 0)
            # The last step, or all of its time: nothing is left to do.
            if [ "$spent" -ge "$seconds" ] || grep -qE 'step ([0-9]+) of \1;' "$run.log"; then touch "$run.done"; fi
        fi
    done <"$queue"
    say "end"
}

main
exit
