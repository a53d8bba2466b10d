#!/usr/bin/env bash
# Installs the clients that judge the simulator, each in an environment of its own, pinned and verified by hash, below
# .state/clients or WORKLOAD_IDENTITY_CLIENTS. What is there already stays, until its lock changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
into=${WORKLOAD_IDENTITY_CLIENTS:-$PWD/.state/clients}
locks=tests/clients/locks
mkdir -p "$into"

# current NAME LOCK...: whether NAME was installed from exactly these locks.
current() { cat "${@:2}" | cmp --silent - "$into/$1/installed"; }
installed() { cat "${@:2}" > "$into/$1/installed"; }

if ! current azure-cli "$locks/azure-cli.txt"; then
    echo "Installing the Azure CLI"
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$into/azure-cli"
    .venv/bin/uv pip sync --quiet --python "$into/azure-cli/bin/python" --require-hashes "$locks/azure-cli.txt"
    installed azure-cli "$locks/azure-cli.txt"
fi

node=("$locks/node/package.json" "$locks/node/package-lock.json")
if ! command -v npm > /dev/null; then
    echo "There is no npm: the tests with Node will be skipped"
elif ! current node "${node[@]}"; then
    echo "Installing the Azure SDK for Node"
    rm -rf "$into/node"
    mkdir "$into/node"
    cp "${node[@]}" "$into/node"
    npm ci --prefix "$into/node" --ignore-scripts --no-audit --no-fund --loglevel error
    installed node "${node[@]}"
fi
