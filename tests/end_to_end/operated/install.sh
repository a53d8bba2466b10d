#!/usr/bin/env bash
# Installs the browser that looks at Prefect's UI, where there is none: Debian's chromium.
set -euo pipefail
command -v chromium > /dev/null && exit
echo "Installing chromium"
as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium > /dev/null
