#!/bin/sh
# Prints the table of nnc beside its peers, measured in turns. Arguments: workloads; all without.
set -e
cd "$(dirname "$0")"
python=${PYTHON:-python3}
cargo build --release --quiet
mkdir -p data
"$python" export.py data "$@"
exec "$python" table.py "${CARGO_TARGET_DIR:-../../target}/release/nnc" "${THREADS:-1}" "$@"
