#!/usr/bin/env bash
# A folder of photos as a Slurm array, each task a part of it that no other task has:
#
#   sbatch --array=0-31 examples/slurm_array.sh PHOTOS OUTPUTS [OPTIONS OF mattecli matte ...]
#
# Run again after a failure: what is complete is skipped.
#SBATCH --job-name=mattecli
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --output=mattecli-%A_%a.log
set -euo pipefail
photos=$1 outputs=$2
shift 2
part=$SLURM_ARRAY_TASK_ID parts=$SLURM_ARRAY_TASK_COUNT
mkdir -p "$outputs/reports"
exec mattecli matte "$photos" -r -o "$outputs" --existing skip --shard "$part/$parts" \
  --report "$outputs/reports/$part-of-$parts.jsonl" "$@"
