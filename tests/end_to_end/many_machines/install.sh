#!/usr/bin/env bash
# Installs, as far as it is missing, what many machines share: Debian's PostgreSQL and Redis for Prefect's server, and
# Azurite for results, pinned and verified by hash, below .state/clients or WORKLOAD_IDENTITY_CLIENTS.
set -euo pipefail
cd "$(dirname "$0")/../../.."
into=${WORKLOAD_IDENTITY_CLIENTS:-$PWD/.state/clients}/azurite
lock=tests/end_to_end/many_machines/locks/azurite

missing=()
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null || missing+=(postgresql)
command -v redis-server > /dev/null || missing+=(redis-server)
command -v npm > /dev/null || missing+=(npm)
if [ ${#missing[@]} != 0 ]; then
    echo "Installing ${missing[*]}"
    as_root=()
    if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi

if ! cmp --silent "$lock/package-lock.json" "$into/installed"; then
    echo "Installing Azurite"
    rm -rf "$into"
    mkdir -p "$into"
    cp "$lock"/package*.json "$into"
    npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel error
    cp "$lock/package-lock.json" "$into/installed"
fi
