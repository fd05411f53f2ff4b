"""Whoever waits for a server that is frozen is woken up, and finds said why."""

from __future__ import annotations

import select
import socket
from contextlib import closing

from auditor.readers.lifeline import lifeline
from contracts.errors import StoreError
from reconcilers.halt import Halt


class Listening(Halt):
    """Notes how a connection was when more was said."""

    def __init__(self) -> None:
        super().__init__()
        self.line: socket.socket | None = None
        self.was_open: list[bool] = []

    def add(self, more: str) -> None:
        """See `Halt.add`."""
        assert self.line is not None
        readable, _, _ = select.select([self.line], [], [], 0)
        self.was_open.append(not readable)
        super().add(more)


def test_that_connections_are_cut_is_said_before_whoever_waits_wakes_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        halt, port = Listening(), server.getsockname()[1]
        with lifeline(halt, port, "owner/things"), closing(socket.create_connection(("127.0.0.1", port))) as line:
            halt.line = line
            line.settimeout(30)
            halt.stop(StoreError("the time was over", hint="give it more"))
            assert line.recv(1) == b""
            assert halt.reason is not None
            cut = "the time was over; owner/things did not answer any more, and its connections were cut"
            assert halt.reason.message == cut
            assert halt.was_open[0]
