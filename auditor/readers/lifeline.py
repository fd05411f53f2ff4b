"""The end of waiting for a server that says nothing more, when the run's time is over.

A frozen server, or one whose disk hangs, keeps its connections open, and whoever reads from it waits inside a driver
that hears nothing else.  When a run is to end, a store first gets a moment to end what it does by itself; what is
connected to it still is then shut down from our side, which wakes up whoever waits.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconcilers.halt import Halt

GRACE_SECONDS = 1.0
"""A store that is well has ended our statements by then."""

AGAIN_SECONDS = 0.2
"""Until connections that were opened meanwhile, such as to ask the store for an end, are shut down as well."""

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: what is not sent yet is thrown away."""

_OPEN_FILES = Path("/dev/fd")
"""Where Linux and macOS list what a process has open."""


@contextmanager
def lifeline(halt: Halt, port: int | None, dataset: str) -> Iterator[None]:
    """Within this, reading ends soon after the run is to end, whatever the server does.

    Args:
        halt: Says when the run is to end.
        port: The server's; None for a store that is no server.
        dataset: What is read, for the message.
    """
    if port is None:
        yield
        return
    line = _Lifeline(halt, port, dataset)
    thread = threading.Thread(target=line.watch, name="lifeline", daemon=True)
    thread.start()
    try:
        with halt.ending(line.asked.set):
            yield
    finally:
        line.over.set()
        line.asked.set()
        thread.join()


def cut(line: socket.socket) -> None:
    """Wake up whoever waits for a connection, and have the server told of its end as soon as it is closed.

    A server that is sending, and had to stop because we read too slowly, would not hear of an end in good order: once
    this side is shut down, Linux tells nobody any more that there is room again.  It would keep its session, with its
    snapshot and locks, for a minute.  So the end is a reset.

    Raises:
        OSError: It is closed.
    """
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    line.shutdown(socket.SHUT_RDWR)


class _Lifeline:
    """Knows which connections of this process were opened since, and lead to one server."""

    def __init__(self, halt: Halt, port: int, dataset: str) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()
        self._halt = halt
        self._port = port
        self._dataset = dataset
        self._before = {identity for _, identity in _sockets()}

    def watch(self) -> None:
        """Wait until the run is to end, and see to it that reading does."""
        self.asked.wait()
        wait = GRACE_SECONDS
        while not self.over.wait(wait):
            self._cut()
            wait = AGAIN_SECONDS

    def _cut(self) -> None:
        """Shut the connections down; it is said first, since whoever waits for them goes on at once."""
        with ExitStack() as opened:
            lines = [opened.enter_context(line) for line in self._opened_since()]
            if leading := [line for line in lines if self._leads_there(line)]:
                self._halt.add(f"{self._dataset} did not answer any more, and its connections were cut")
            for line in leading:
                with suppress(OSError):  # closed meanwhile
                    cut(line)

    def _opened_since(self) -> Iterator[socket.socket]:
        """Another hold on each socket of now that was not there before; the caller closes it."""
        for number, identity in list(_sockets()):
            if identity not in self._before:
                with suppress(OSError):  # closed meanwhile
                    yield socket.socket(fileno=os.dup(number))

    def _leads_there(self, line: socket.socket) -> bool:
        """Whether it is connected to the server; PostgreSQL's local sockets have the port in their names."""
        try:
            peer = line.getpeername()
        except OSError:  # listening, or not connected any more
            return False
        if isinstance(peer, str):
            return peer.endswith(f".s.PGSQL.{self._port}")
        return isinstance(peer, tuple) and len(peer) > 1 and peer[1] == self._port


def _sockets() -> Iterator[tuple[int, int]]:
    """Every socket that this process has open: its number, and what tells it from a later one of that number."""
    for file in _OPEN_FILES.iterdir() if _OPEN_FILES.is_dir() else ():
        with suppress(OSError, ValueError):
            status = os.fstat(number := int(file.name))
            if stat.S_ISSOCK(status.st_mode):
                yield number, status.st_ino
