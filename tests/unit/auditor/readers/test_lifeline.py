"""Whoever waits for a server that is frozen is woken up, and finds said why."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import closing, suppress

from auditor.readers.lifeline import cut, lifeline
from contracts.errors import StoreError
from reconcilers.halt import Halt
from tests.services.deadline import wait_until


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


def test_a_server_that_waits_to_send_more_hears_of_the_end_at_once() -> None:
    """It had to stop, since we read too slowly; what had come was read to its end after the cut, as drivers do."""
    sent = 0
    over = threading.Event()

    def send(line: socket.socket) -> None:
        nonlocal sent
        with line, suppress(OSError):
            while True:
                sent += line.send(b"x" * 65536)
        over.set()

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        with closing(socket.create_connection(server.getsockname())) as line:
            theirs = server.accept()[0]
            sending = threading.Thread(target=send, args=(theirs,), daemon=True)
            sending.start()
            before = -1

            def is_stuck() -> bool:
                nonlocal before
                earlier, before = before, sent
                return sent == earlier > 0 and not select.select([], [theirs], [], 0.3)[1]

            wait_until(is_stuck, seconds=10, what="its having to stop")
            cut(line)
            while line.recv(1 << 20):
                pass
        assert over.wait(5)
        sending.join()
