"""Commands inside running containers: a process beside the container's own, with streams instead of a log."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import struct
import termios
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.provenance import Provenance, rule

from .channels import Channel
from .command_streams import Ends, Streams, Wanted
from .pod_processes import GRACE_SECONDS, placed, stop

_CHUNK = 32 * 1024

Tell = Callable[[Channel, bytes], Awaitable[None]]


class NotRunningError(LookupError):
    """The container does not run."""


class NotExecutableError(Exception):
    """The command cannot be started. The text says why in the words of the container runtime."""


@dataclass(frozen=True)
class Inside:
    """What a running container gives to every process in it."""

    environment: Mapping[str, str]
    root: Path
    """The directory that stands for its ``/``."""
    mounts: tuple[str, ...]


@dataclass(eq=False)
class Running:
    """A command that was started. ``end`` must be awaited for each."""

    process: asyncio.subprocess.Process
    streams: Streams

    @property
    def exit_code(self) -> int:
        """How it ended; 128 and the number of the signal that ended it."""
        code = self.process.returncode
        assert code is not None
        return 128 - code if code < 0 else code

    def write(self, data: bytes) -> None:
        """Give it something to read. Nobody waits until it does: who waits does not see the client go."""
        if self.streams.stdin is not None and not self.streams.stdin.is_closing():
            self.streams.stdin.write(data)

    def close_input(self) -> None:
        """Let it read the end of its input; a terminal has none but the character that is typed for it."""
        if self.streams.stdin is not None and self.streams.terminal is None:
            self.streams.stdin.close()

    def resize(self, width: int, height: int) -> None:
        """Set the size of its terminal, where it has one."""
        if self.streams.terminal is not None:
            size = struct.pack("HHHH", height & 0xFFFF, width & 0xFFFF, 0, 0)
            fcntl.ioctl(self.streams.terminal, termios.TIOCSWINSZ, size)

    async def until_ended(self, tell: Tell) -> int:
        """Pass on what it prints until it has ended; its exit code. What it leaves behind ends with it."""
        outputs = self.streams.outputs.items()
        readers = [asyncio.create_task(_pass_on(reader, channel, tell)) for channel, reader in outputs]
        try:
            await self.process.wait()
            await stop(self.process)
            if readers:
                await asyncio.wait(readers, timeout=GRACE_SECONDS)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        return self.exit_code

    async def end(self) -> None:
        """End it if it has not ended, and everything that it has started."""
        await stop(self.process)
        self.streams.close()


async def _pass_on(reader: asyncio.StreamReader, channel: Channel, tell: Tell) -> None:
    # A terminal that nobody holds any more is read with an error, not with an end.
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            await tell(channel, data)


async def start(wanted: Wanted, inside: Inside | None) -> Running:
    """Start a command in a container; ``inside`` is None for one whose image holds no program.

    Raises :class:`NotExecutableError`, or :class:`NotRunningError` where the container ends at that moment.
    """
    program = wanted.command[0] if wanted.command else ""
    if inside is None or not program:
        raise NotExecutableError(_complaint(program, FileNotFoundError()))
    words = [placed(word, inside.mounts, inside.root) for word in wanted.command]
    try:
        return await _started(words, wanted, inside)
    except FileNotFoundError as error:
        if not inside.root.is_dir():
            raise NotRunningError(program) from error
        raise NotExecutableError(_complaint(program, error)) from error
    except OSError as error:
        raise NotExecutableError(_complaint(program, error)) from error
    except ValueError as error:
        raise NotExecutableError(_complaint(program, OSError(0, "invalid argument"))) from error


@rule("kubernetes", "a program that is not there", Provenance.REPORTED, "kubernetes, kubectl exec on containerd")
def _complaint(program: str, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        why = (error.strerror or str(error)).lower()
    elif "/" in program:
        why = f"stat {program}: no such file or directory"
    else:
        why = "executable file not found in $PATH"
    return f"exec: {json.dumps(program, ensure_ascii=False)}: {why}"


async def _started(words: list[str], wanted: Wanted, inside: Inside) -> Running:
    environment = dict(inside.environment)
    ends = Ends.of_terminal(stdin=wanted.stdin) if wanted.tty else Ends.of_pipes(wanted)
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env={"TERM": "xterm", **environment} if wanted.tty else environment,
            cwd=inside.root,
            stdin=ends.stdin,
            stdout=ends.stdout,
            stderr=ends.stderr,
            start_new_session=True,
            preexec_fn=_take_terminal if wanted.tty else None,
        )
    except BaseException:
        ends.close_ours()
        raise
    finally:
        ends.close_theirs()
    return Running(process, await ends.opened())


def _take_terminal() -> None:
    """Make the terminal on standard output the session's own, so that an interrupt typed there arrives."""
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
