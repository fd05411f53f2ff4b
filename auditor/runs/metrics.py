"""The monitor's figures as Prometheus reads them, over HTTP.

They hold names of entities, replicas, feeds and topics, and numbers; never a key or a value.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from auditor.runs.monitor_loop import Watcher

HOST = "127.0.0.1"
"""Who is on this machine may look; a proxy may let others."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "audit_up": ("gauge", "The monitor goes on."),
    "audit_records_total": ("counter", "Records kept by this process."),
    "audit_feed_lag_offsets": ("gauge", "Offsets behind the end of a partition."),
    "audit_open_obligations": ("gauge", "What a replica owes and is not known to have met."),
    "audit_suspects": ("gauge", "Keys under suspicion."),
    "audit_drifting_keys": ("gauge", "Keys of known drift."),
    "audit_findings_total": ("counter", "Findings told by this process, by verdict."),
    "audit_trouble": ("gauge", "1 while something does not answer."),
    "audit_sign_records": ("gauge", "Records that show a sign of trouble."),
    "audit_arrived_share": ("gauge", "Share of the owner's changes that arrived within a time, of those of a window."),
    "audit_changes": ("gauge", "Changes that the share is of."),
}

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Hears what the monitor tells, and hands it on.

    Args:
        others: Who is told as well.
    """

    def __init__(self, others: Watcher) -> None:
        self._others = others
        self._lock = threading.Lock()
        self._values: dict[str, dict[_Labels, float]] = {"audit_up": {(): 1}}

    def tell(self, event: str, at: str, **members: Any) -> None:
        """See `auditor.runs.monitor_loop.Watcher`."""
        hear = getattr(self, f"_hear_{event}", None)
        if hear is not None:
            with self._lock:
                hear(members)
        self._others.tell(event, at, **members)

    def text(self) -> str:
        """Everything, in Prometheus' text format."""
        with self._lock:
            return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, (kind, about) in _HELP.items():
            values = self._values.get(name)
            if values is None:
                continue
            yield f"# HELP {name} {about}\n# TYPE {name} {kind}\n"
            for labels, value in sorted(values.items()):
                shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
                yield f"{name}{'{' + shown + '}' if shown else ''} {value:g}\n"

    def _set(self, name: str, values: Mapping[_Labels, float]) -> None:
        self._values[name] = dict(values)

    def _hear_progress(self, members: Mapping[str, Any]) -> None:
        self._set("audit_records_total", {(("feed", feed),): count for feed, count in members["records"].items()})
        lags: dict[_Labels, float] = {}
        for place, behind in members["lag"].items():
            feed, _, rest = place.partition("/")
            topic, _, part = rest.rpartition("/")
            lags[("feed", feed), ("topic", topic), ("partition", part)] = behind
        self._set("audit_feed_lag_offsets", lags)
        self._set("audit_open_obligations", {_pair(name): count for name, count in members["open"].items()})
        self._set("audit_suspects", {(): members["suspects"]})
        self._set("audit_drifting_keys", {(): members["drifting"]})

    def _hear_finding(self, members: Mapping[str, Any]) -> None:
        one = members["finding"]
        labels = (("entity", one["entity"]), ("replica", one["replica"] or ""), ("verdict", one["verdict"]))
        told = self._values.setdefault("audit_findings_total", {})
        told[labels] = told.get(labels, 0) + 1

    def _hear_trouble(self, members: Mapping[str, Any]) -> None:
        self._values.setdefault("audit_trouble", {})[("what", members["what"]),] = 1

    def _hear_trouble_over(self, members: Mapping[str, Any]) -> None:
        self._values.setdefault("audit_trouble", {})[("what", members["what"]),] = 0

    def _hear_sign(self, members: Mapping[str, Any]) -> None:
        labels = tuple((name, members[name]) for name in ("sign", "feed", "topic"))
        self._values.setdefault("audit_sign_records", {})[labels] = members["records"]

    def _hear_consistency(self, members: Mapping[str, Any]) -> None:
        shares: dict[_Labels, float] = {}
        changes: dict[_Labels, float] = {}
        for one in members["replicas"]:
            whose = (("entity", one["entity"]), ("replica", one["replica"]))
            for window, seen in one["windows"].items():
                changes[*whose, ("window", window)] = seen["changes"]
                for within, share in seen["within"].items():
                    if share is not None:
                        shares[*whose, ("window", window), ("within", within)] = share
        self._set("audit_arrived_share", shares)
        self._set("audit_changes", changes)


def _pair(name: str) -> _Labels:
    entity, _, replica = name.partition("/")
    return ("entity", entity), ("replica", replica)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class MetricsServer:
    """Serves `/metrics` on this machine while the context lasts.

    Args:
        metrics: What is served.
        port: Where; 0: any that is free.

    Raises:
        UsageError: The port cannot be had.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == "/metrics"
                content = metrics.text().encode() if found else b"see /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nobody wants to read who asked."""

        try:
            self._server = ThreadingHTTPServer((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"--metrics-port {port}: {HOST}:{port} cannot be served: {getattr(error, 'strerror', None) or error}",
                hint="choose another port, or 0 for any",
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
