#!/usr/bin/env bash
# A folder of photos on several machines with GNU parallel; they share the folders, or name buckets:
#
#   examples/parallel.sh PARTS PHOTOS OUTPUTS [OPTIONS OF mattecli matte ...]
#
# PARALLEL_HOSTS=a,b,c names machines that ssh reaches; without it the parts run here, two at once.
set -euo pipefail
parts=$1 photos=$2 outputs=$3
shift 3
mkdir -p "$outputs/reports"
where=(--jobs 2)
[ -z "${PARALLEL_HOSTS:-}" ] || where=(--jobs 1 --sshlogin "$PARALLEL_HOSTS" --workdir "$PWD")
seq 0 "$((parts - 1))" | parallel "${where[@]}" --halt never --joblog "$outputs/reports/jobs.log" \
  mattecli matte "$photos" -r -o "$outputs" --existing skip --shard "{}/$parts" \
  --report "$outputs/reports/{}-of-$parts.jsonl" "$@"
