"""The Operate page runs as written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.operated
PAGE = (ROOT / "deployments" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
ADDRESS = "http://127.0.0.1:4200"
"""Where the page says that the server is; it is elsewhere where that port is taken."""


def newcomers(place: Path) -> dict[str, str]:
    """The environment of somebody who has nothing set up."""
    home = place / "home"
    home.mkdir(exist_ok=True)
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"  # for kubectl
    return {"PATH": path, "HOME": str(home), "TERM": "dumb"}


@pytest.mark.timeout(240)
def test_every_command_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    for entry in ROOT.iterdir():
        if entry.name != ".state":
            (tmp_path / entry.name).symlink_to(entry)
    begin, *others = BLOCKS
    assert begin == "make operate\n"
    output = tmp_path / "output"
    with output.open("wb") as file:
        operating = subprocess.Popen(
            ["bash", "-c", begin],
            cwd=tmp_path,
            env=newcomers(tmp_path),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = None
        deadline = time.monotonic() + 90
        while address is None and operating.poll() is None and time.monotonic() < deadline:
            found = re.search(r"Operating: (http://\S+)/deployments", output.read_text(encoding="utf-8"))
            address = found[1] if found else None
            time.sleep(0.2)
        assert address is not None, output.read_text(encoding="utf-8")
        for block in others:
            done = subprocess.run(
                ["bash", "-ec", block.replace(ADDRESS, address)],
                cwd=tmp_path,
                env=newcomers(tmp_path),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    finally:
        os.killpg(operating.pid, signal.SIGINT)  # Ctrl-C
        operating.wait(60)
    said = output.read_text(encoding="utf-8")
    assert "Ended." in said
    assert "The simulator has ended." in said
    assert "Traceback" not in said


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#h][^)]*)\)", PAGE))))
def test_every_link_of_the_page_leads_somewhere(link: str) -> None:
    assert (ROOT / "deployments" / link).exists()
