"""The pipes, or the terminal, between a command in a container and whoever asked for it.

They are ours, not those of :mod:`asyncio.subprocess`, whose processes have only ended when nobody holds their pipes
any more: a child that a command leaves behind would keep it from ending.
"""

from __future__ import annotations

import asyncio
import os
import pty
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass, field

from .channels import Channel


@dataclass(frozen=True)
class Wanted:
    """A command, and which of its streams are wanted."""

    command: tuple[str, ...]
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False
    """Whether it runs on a terminal, which mingles standard error with standard output."""


@dataclass
class Streams:
    """Our side of a command's streams."""

    outputs: dict[Channel, asyncio.StreamReader] = field(default_factory=dict)
    stdin: asyncio.WriteTransport | None = None
    terminal: int | None = None
    """The file descriptor of its terminal, where it has one."""
    _transports: list[asyncio.ReadTransport] = field(default_factory=list)

    async def read(self, channel: Channel, descriptor: int) -> None:
        """Make what is printed at ``descriptor``, which is closed with the streams, the output of a channel."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
        )
        self.outputs[channel] = reader
        self._transports.append(transport)

    async def write(self, descriptor: int) -> None:
        """Make ``descriptor``, which is closed with the streams, what the command reads."""
        self.stdin, _ = await asyncio.get_running_loop().connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(descriptor, "wb", 0)
        )

    def close(self) -> None:
        """Close them all; what was not read is lost."""
        self.terminal = None
        for transport in self._transports:
            transport.close()
        # One that is closing already is rid of what it still holds, since nobody is left to read it.
        if self.stdin is not None and not self.stdin.is_closing():
            self.stdin.abort()


@dataclass
class Ends:
    """File descriptors of streams before the command starts: ``stdin``, ``stdout`` and ``stderr`` are its own."""

    stdin: int = DEVNULL
    stdout: int = DEVNULL
    stderr: int = DEVNULL
    _reading: dict[Channel, int] = field(default_factory=dict)
    _writing: int | None = None
    _terminal: int | None = None

    @classmethod
    def of_pipes(cls, wanted: Wanted) -> Ends:
        """A pipe for each stream that is wanted."""
        ends = cls()
        if wanted.stdin:
            ends.stdin, ends._writing = os.pipe()
        if wanted.stdout:
            ends._reading[Channel.STDOUT], ends.stdout = os.pipe()
        if wanted.stderr:
            ends._reading[Channel.STDERR], ends.stderr = os.pipe()
        return ends

    @classmethod
    def of_terminal(cls, *, stdin: bool) -> Ends:
        """One terminal for all three; what is typed arrives only with ``stdin``."""
        ours, theirs = pty.openpty()
        writing = os.dup(ours) if stdin else None
        return cls(theirs, theirs, theirs, {Channel.STDOUT: ours}, writing, ours)

    async def opened(self) -> Streams:
        """Our side of them, once the command has started."""
        streams = Streams(terminal=self._terminal)
        for channel, descriptor in self._reading.items():
            await streams.read(channel, descriptor)
        if self._writing is not None:
            await streams.write(self._writing)
        return streams

    def close_theirs(self) -> None:
        """Close what the command has by now inherited, or never will."""
        for descriptor in {self.stdin, self.stdout, self.stderr} - {DEVNULL}:
            os.close(descriptor)

    def close_ours(self) -> None:
        """Close our side of streams that no command will use."""
        for descriptor in (*self._reading.values(), *(() if self._writing is None else (self._writing,))):
            os.close(descriptor)
