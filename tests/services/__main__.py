"""Servers for people: ``python -m tests.services list | fetch [NAME...] | start NAME``."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.services.availability import Unavailable
from tests.services.backends import KINDS, NAMES

_STOPPING = {signal.SIGINT, signal.SIGTERM}


def _list() -> None:
    for kind in KINDS:
        print(f"{kind.name:<17} {kind.title}")


def _fetch(names: list[str]) -> int:
    """Fetch the named services, or all; return how many could not be had."""
    failures = 0
    for kind in KINDS:
        if names and kind.name not in names:
            continue
        try:
            print(f"{kind.name:<17} {kind.fetch()}")
        except Unavailable as reason:
            failures += 1
            print(f"{kind.name:<17} cannot be had: {reason}")
    return failures


def _start(name: str) -> None:
    """Run the named service in the foreground until Ctrl-C or SIGTERM."""
    kind = next(kind for kind in KINDS if kind.name == name)
    server = kind.start()
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # to be waited for; not before, since servers inherit it
        print(f"{server.title} {server.version}\n{server.url}\nlog: {server.log_path}", flush=True)
        signal.sigwait(_STOPPING)
    finally:
        server.stop()


def main() -> int:
    """Run the command; 0 when it did its work."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description="Real servers for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is")
    commands.add_parser("fetch", help="fetch servers, all or the named").add_argument(
        "names", nargs="*", metavar="NAME"
    )
    commands.add_parser("start", help="run one until Ctrl-C").add_argument("name", choices=NAMES, metavar="NAME")
    arguments = parser.parse_args()
    if unknown := set(getattr(arguments, "names", ())) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    try:
        if arguments.command == "list":
            _list()
        elif arguments.command == "fetch":
            return _fetch(arguments.names)
        else:
            _start(arguments.name)
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
