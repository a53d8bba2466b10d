#!/usr/bin/env bash
# The walk out of AAD Pod Identity on the made-up cluster, and back again. Run it by make migration.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=.venv/bin
fleet=${1:?a file for the fleet}

step() { # a command, and the exit codes that are right for it
  local right=$1
  shift
  printf '\n$ workload-identity %s\n' "$*"
  local code=0
  "$bin/workload-identity" "$@" || code=$?
  [[ " $right " == *" $code "* ]] || exit 1
}

"$bin/python" -m deployments.migration.old_set_up
step 2 migrate veteran --namespace billing --out "$fleet" --overwrite
step 0 reconcile --no-verify "$fleet"
step 0 migrate veteran --namespace billing --out "$fleet" --switch
step 2 migrate veteran --namespace billing --out "$fleet" --cleanup
step 0 migrate veteran --namespace billing --out "$fleet" --cleanup --yes
step 0 migrate veteran --out "$fleet" --undo
step 0 migrate veteran --out "$fleet" --undo --everything
