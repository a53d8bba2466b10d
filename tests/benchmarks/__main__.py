"""``make bench``: every figure that is promised, measured in one run. BENCH_JSON=PATH writes them down, too."""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path

from . import reconciling, simulator
from .figures import show

if __name__ == "__main__":
    path = os.environ.get("BENCH_JSON")
    sys.exit(0 if show(chain(simulator.figures(), reconciling.figures()), Path(path) if path else None) else 1)
