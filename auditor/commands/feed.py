"""`audit feed`: change streams by themselves."""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import gc
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.commands.invocation import JSON, TERMINAL, Invocation, standard_output, tell
from auditor.commands.option_values import duration
from contracts.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.feeds.recording import Extent, Recorded, SchemaCollector
    from auditor.settings import KafkaFeed, RecordedFeed, Settings

app = typer.Typer(add_completion=False, help="Record change streams, for support and tests.")

RECORDS_FILE, SCHEMAS_FILE = "records.jsonl", "schemas.json"
EARLIEST = "earliest"
_RAW = (
    "the recording holds rows as they are, sensitive fields too: only this user may read it; treat it like the database"
)


@app.callback()
def _feed() -> None:
    """Record change streams, for support and tests."""


@app.command()
def record(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="What to record.", show_default=False)],
    feed: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of which feed.", show_default="the only one")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="OFFSET", help="Begin there in every partition; or `earliest`.")
    ] = EARLIEST,
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up/--follow", help="Stop where the topics end now, or go on with what comes."),
    ] = True,
    max_records: Annotated[int | None, typer.Option(metavar="N", min=1, help="Stop after so many.")] = None,
    deadline: Annotated[str | None, typer.Option(metavar="DURATION", help="Stop after so long.")] = None,
) -> int:
    """Write a recorded feed below the directory of --out, and print the settings that read it.

    Exit codes: 0 everything asked for is recorded, 2 the deadline came first (the rest is written), or nothing came.
    """
    from auditor.feeds.private_files import private_file, require_absent
    from auditor.feeds.recording import record_feed

    invocation = Invocation.of(context)
    if invocation.out is None:
        raise UsageError("audit feed record: no directory", hint="name one: audit feed record TOPIC --out DIR")
    directory, invocation.out = invocation.out.absolute(), None  # what else is written goes to stdout
    form = invocation.format_of((TERMINAL, JSON))
    extent = _extent(start, max_records, deadline, until_caught_up=until_caught_up)
    settings = invocation.settings()
    name = feed or _only_feed(settings)
    files = directory / RECORDS_FILE, directory / SCHEMAS_FILE
    collector = _collector(settings, name)
    from auditor.feeds.opening import open_feed

    gc.enable()  # see `auditor.cli.main`
    with closing(open_feed(settings, name, topics)) as source:
        require_absent(*files)
        with private_file(files[0]) as stream:
            recorded = record_feed(source, stream, extent, collector, time.monotonic)
    has_schemas = collector is not None and bool(collector.definitions)
    if collector is not None and has_schemas:
        with private_file(files[1]) as stream:
            stream.write(json.dumps(collector.definitions, ensure_ascii=False) + "\n")
    _show(recorded, _document(settings.feed(name), files[0], files[1] if has_schemas else None), form)
    invocation.say(_RAW)
    for note in recorded.notes:
        tell(note)
    return _code(recorded, extent)


def _extent(start: str, max_records: int | None, deadline: str | None, *, until_caught_up: bool) -> Extent:
    from auditor.feeds.recording import Extent

    longest = duration("--deadline", deadline)
    if not until_caught_up and max_records is None and longest is None:
        raise UsageError("--follow has no end", hint="say when to stop: --deadline DURATION or --max-records N")
    if start != EARLIEST and not start.isdecimal():
        raise UsageError(f"--from {start}: expected an offset or `{EARLIEST}`", hint="offsets are 0, 1, 2, …")
    offset = None if start == EARLIEST else int(start)
    return Extent(offset, until_caught_up, max_records, longest.total_seconds() if longest else None)


def _only_feed(settings: Settings) -> str:
    if len(settings.feeds) == 1:
        return next(iter(settings.feeds))
    known = ", ".join(sorted(settings.feeds)) or "none"
    raise UsageError(f"which feed is to be recorded? {settings.path} has {known}", hint="name one: --feed NAME")


def _collector(settings: Settings, name: str) -> SchemaCollector | None:
    from auditor.feeds.decoding import schemas_of
    from auditor.feeds.recording import SchemaCollector

    wire, schemas = schemas_of(name, settings.feed(name), settings.workspace.directory)
    return None if schemas is None else SchemaCollector(wire, schemas)


def _document(feed: KafkaFeed | RecordedFeed, records: Path, schemas: Path | None) -> dict[str, Any]:
    """The settings that read the recording: what the feed's say of its records holds for these too."""
    from auditor.settings import KafkaFeed

    document: dict[str, Any] = {"type": "recorded", "path": str(records)}
    wire = (
        (feed.schema_registry.format if feed.schema_registry else None) if isinstance(feed, KafkaFeed) else feed.format
    )
    if schemas is not None:
        document |= {"schemas": str(schemas)} | ({"format": wire} if wire != "confluent" else {})
    for part in ("debezium", "schemaless"):
        if told := getattr(feed, part).model_dump(mode="json", exclude_defaults=True):
            document[part] = told
    return document


def _show(recorded: Recorded, feed: dict[str, Any], form: str) -> None:
    with standard_output(for_machines=form == JSON) as stream:
        if form == JSON:
            partitions = [
                {
                    "topic": topic,
                    "partition": number,
                    "records": count,
                    "behind": recorded.behind.get((topic, number), 0),
                }
                for (topic, number), count in sorted(recorded.records.items())
            ]
            document = {"records": recorded.records.total(), "partitions": partitions, "settings": feed}
            stream.write(json.dumps({**document, "notes": recorded.notes}, indent=1) + "\n")
            return
        import yaml

        for (topic, number), count in sorted(recorded.records.items()):
            stream.write(f"# {topic}/{number}: {count}\n")
        stream.write(yaml.safe_dump({"feeds": {"replay": feed}}, sort_keys=False, allow_unicode=True))


def _code(recorded: Recorded, extent: Extent) -> int:
    stopped_early = recorded.behind and extent.max_records is None
    if stopped_early:
        left = ", ".join(f"{topic}/{number}: {count}" for (topic, number), count in sorted(recorded.behind.items()))
        tell(f"the deadline came before the end; offsets that are left: {left}")
    return 2 if stopped_early else 0
