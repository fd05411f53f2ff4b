"""A monitor at work, as a supervisor starts it, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(sys.executable).with_name("audit")
EVENT_SECONDS = 90.0
"""Until an event that is waited for, on a machine that has much else to do."""


@dataclass
class Monitor:
    """A process that follows what the settings in a directory name.

    Attributes:
        process: It.
        findings: Key, divergence and verdict of each finding that it has told.
        events: All that it has told.
    """

    process: subprocess.Popen[str]
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start one that goes on."""
        command = [str(PROGRAM), "monitor", "--format", "json"]
        environment = {**os.environ, "PYTHONWARNINGS": ""}
        return cls(
            subprocess.Popen(
                command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )

    def read_until(self, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read events until one will do."""
        assert self.process.stdout is not None
        end = time.monotonic() + EVENT_SECONDS
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] == "finding":
                one = event["finding"]
                self.findings.append((one["key"]["id"], one["divergence"], one["verdict"]))
            if enough(event):
                return event
            assert time.monotonic() < end, event
        raise AssertionError("the monitor has ended")

    def ended(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        self.process.communicate(timeout=EVENT_SECONDS)
        return self.process.returncode

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=EVENT_SECONDS)
        return self.process.returncode
