"""Runs to draw reports of: a shop with drift, a clean one, one in trouble, a large one, and one full of hostile values.

`python -m tests.unit.reports.samples DIRECTORY` writes each of them in every format, to be looked at.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from auditor.reports.document import ReportDocument, finding_document, instant_text, report_document, run_document
from auditor.reports.formats import NAMES, format_named
from contracts.contract import Contract, DatasetRef, Field, FieldMap, Owner, Replica
from contracts.logical_types import parse_logical_type
from reconcilers.finding import (
    Cause,
    Divergence,
    Evidence,
    FieldDifference,
    Finding,
    KeyText,
    Read,
    Verdict,
)
from reconcilers.tally import Coverage, EntityTally, ReplicaTally, RunResult

STARTED = datetime(2026, 1, 31, 2, 0, 0, tzinfo=UTC)
FINISHED = STARTED + timedelta(minutes=5, seconds=48.2)

NOTE = "Please leave the parcel with the neighbour at number 14, second floor, and ring twice: the bell is quiet."

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>",
    "<!-- --!> <![CDATA[ ]]>",
    "\u202egnp.exe\u202c \u2066isolated\u2069",
    "\x1b[31mred\x1b[0m\x07\x00\x9b1m",
    "line\nbreak\rand\ttab\u2028separator",
    "x" * 900,
    "| pipe | and \\| more \\\\| `tick` ``two``",
    "**bold** _em_ [link](javascript:alert(1)) @everyone #1 ~~no~~ <b>",
    '=HYPERLINK("http://example.invalid","x")',
    "+49 170 1234567",
    "-2+3",
    "@SUM(A1)",
    "",
    " ",
    "NULL",
    "cafe\u0301",
    "caf\u00e9",
    "漢字かな交じり文" * 12,
    "👩‍👩‍👧‍👦",
    "[bold]markup[/bold] [link=file:///]x[/link]",
    "&lt;&amp;&#x27;{{ 7*7 }} ${7*7}",
    "\ufffe\uffff\ud7ff",
    "אבג hebrew العربية",
)


@dataclass(frozen=True)
class Times:
    """When a finding was seen first and last."""

    first_seen: str
    last_seen: str


def _field(name: str, kind: str, *, meaning: str = "", critical: bool = False, sensitive: bool = False) -> Field:
    return Field(name, parse_logical_type(kind), meaning=meaning, critical=critical, sensitive=sensitive)


def _replica(name: str, dataset: str, fields: tuple[str, ...], lag: timedelta = timedelta(minutes=5)) -> Replica:
    connection, relation = dataset.split("/", 1)
    maps = tuple(FieldMap(field, field) for field in fields)
    return Replica(name, name, DatasetRef(connection, relation), (FieldMap("id", "id"),), maps, lag_bound=lag)


def shop_contracts() -> dict[str, Contract]:
    """The contracts of the sample shop."""
    order = Contract(
        entity="order",
        version=3,
        owner=Owner("order-service", DatasetRef("orders_db", "public.orders")),
        key=("id",),
        fields={
            field.name: field
            for field in (
                _field("id", "uuid"),
                _field("customer_id", "uuid"),
                _field("status", "text", meaning="where the order stands", critical=True),
                _field("email", "text", sensitive=True),
                _field("total_amount", "decimal(10,2)", meaning="what the customer pays", critical=True),
                _field("note", "text", meaning="what the customer wrote"),
                _field("updated_at", "timestamp"),
            )
        },
        replicas=(
            _replica("reporting", "reporting/orders", ("status", "total_amount")),
            _replica("search", "read_model/order_search", ("status", "total_amount", "note"), timedelta(seconds=30)),
            _replica("warehouse", "lake/orders.parquet", ("status", "total_amount"), timedelta(hours=24)),
        ),
        description="A customer's order, from placement to delivery.",
        team="checkout",
    )
    customer = Contract(
        entity="customer",
        version=1,
        owner=Owner("customer-service", DatasetRef("customers_db", "public.customers")),
        key=("id",),
        fields={
            field.name: field
            for field in (
                _field("id", "uuid"),
                _field("name", "text", meaning="how letters address the customer", critical=True),
                _field("email", "text", sensitive=True, meaning="where mail is sent", critical=True),
            )
        },
        replicas=(
            _replica("reporting", "reporting/customers", ("name", "email")),
            _replica("newsletter", "mail/subscribers.csv", ("name", "email"), timedelta(hours=24)),
        ),
        description="Somebody who has an account.",
        team="accounts",
    )
    return {"customer": customer, "order": order}


def _key(seed: random.Random) -> KeyText:
    return (("id", str(uuid.UUID(int=seed.getrandbits(128), version=4))),)


def _reads(replica: str, state: str = "present") -> tuple[Read, ...]:
    later = STARTED + timedelta(minutes=5, seconds=31)
    return (
        Read("owner", STARTED + timedelta(seconds=2), "pg 0/16B3748 snapshot 731:731:", "present", "9f2c01d4"),
        Read(replica, STARTED + timedelta(seconds=2.4), "", state, "77aa01b0" if state == "present" else ""),
        Read("owner", later, "pg 0/16B9A10 snapshot 744:744:", "present", "9f2c01d4"),
        Read(replica, later + timedelta(seconds=0.3), "", state, "77aa01b0" if state == "present" else ""),
    )


def _mismatch(seed: random.Random, entity: str, replica: str, cause: Cause, *fields: FieldDifference) -> Finding:
    return Finding(
        entity,
        replica,
        _key(seed),
        Divergence.MISMATCH,
        Verdict.PERSISTENT,
        cause=cause,
        fields=fields,
        evidence=Evidence("elapsed", _reads(replica)),
    )


def shop_findings() -> list[Finding]:
    """What an audit of the shop finds on a bad day."""
    seed = random.Random(7)
    findings = [
        _mismatch(seed, "order", "reporting", Cause.STALE, FieldDifference("status", "shipped", "pending")),
        _mismatch(
            seed,
            "order",
            "reporting",
            Cause.LOST_UPDATE,
            FieldDifference("status", "cancelled", "paid"),
            FieldDifference("total_amount", "105.00", "104.99"),
        ),
        Finding(
            "order",
            "reporting",
            _key(seed),
            Divergence.MISSING,
            Verdict.PERSISTENT,
            cause=Cause.NEVER_ARRIVED,
            evidence=Evidence("elapsed", _reads("reporting", "absent")),
        ),
        Finding(
            "order",
            "reporting",
            _key(seed),
            Divergence.ORPHAN,
            Verdict.PERSISTENT,
            cause=Cause.MISSED_DELETE,
            evidence=Evidence("elapsed", _reads("reporting")),
        ),
        _mismatch(
            seed,
            "order",
            "search",
            Cause.LOSSY_COPY,
            FieldDifference(
                "note",
                NOTE,
                NOTE.replace("14", "41").replace("quiet", "quit"),
            ),
        ),
        _mismatch(seed, "order", "search", Cause.UNKNOWN, FieldDifference("note", "cafe\u0301 gift", "caf\u00e9 gift")),
        _mismatch(seed, "order", "search", Cause.DEFAULT_FILLED, FieldDifference("note", None, "")),
        Finding(
            "order",
            "search",
            _key(seed),
            Divergence.MISMATCH,
            Verdict.UNDECIDED,
            fields=(FieldDifference("status", "paid", "pending"),),
            evidence=Evidence("", _reads("search"), note="the owner changed at every one of 5 looks (hot key)"),
        ),
        Finding(
            "order",
            None,
            _key(seed),
            Divergence.INVARIANT,
            Verdict.PERSISTENT,
            rule="total_adds_up",
            fields=(FieldDifference("total_amount", "105.00", None),),
            evidence=Evidence("elapsed", _reads("owner")[:1]),
        ),
        Finding(
            "order",
            None,
            _key(seed),
            Divergence.REFERENCE,
            Verdict.PERSISTENT,
            rule="customer_id",
            fields=(FieldDifference("customer_id", "3f1d0000-aaaa-4bbb-8ccc-000000000001", None),),
            evidence=Evidence("elapsed", _reads("owner")[:1]),
        ),
        Finding(
            "customer",
            "newsletter",
            _key(seed),
            Divergence.DUPLICATE,
            Verdict.PERSISTENT,
            count=3,
            cause=Cause.DUPLICATE_APPLIED,
            evidence=Evidence("elapsed", _reads("newsletter")),
        ),
        _mismatch(
            seed,
            "customer",
            "newsletter",
            Cause.STALE,
            FieldDifference("email", "sha256:5b41c0ffee12ab90", "sha256:99aa0011bb22cc33"),
        ),
    ]
    for number in range(9):
        amount = 1000 + 37 * number
        difference = FieldDifference("total_amount", f"{amount}.05", f"{amount}.00")
        findings += [_mismatch(seed, "order", "warehouse", Cause.LOSSY_COPY, difference)]
    for number in range(4):
        fields = (FieldDifference("status", "shipped", "paid"),)
        findings.append(
            Finding(
                "order",
                "search",
                _key(seed),
                Divergence.MISMATCH,
                Verdict.IN_FLIGHT if number < 3 else Verdict.HEALED,
                fields=fields,
                judge_after=FINISHED + timedelta(minutes=4) if number < 3 else None,
                evidence=Evidence("", _reads("search")),
            )
        )
    findings.append(
        replace(
            _mismatch(seed, "customer", "reporting", Cause.STALE, FieldDifference("name", "Ada King", "Ada Byron")),
            verdict=Verdict.ACCEPTED,
        )
    )
    return findings


def tallied(findings: list[Finding], contracts: dict[str, Contract], rows: dict[str, int]) -> list[EntityTally]:
    """The counts that belong to findings."""
    entities = []
    for contract in contracts.values():
        own = [finding for finding in findings if finding.entity == contract.entity]
        owner_rows = rows[contract.entity]
        tally = EntityTally(contract.entity, contract.version, str(contract.owner.dataset), owner_rows)
        tally.owner_verdicts = dict(Counter(finding.verdict for finding in own if finding.replica is None))
        for replica in contract.replicas:
            here = [finding for finding in own if finding.replica == replica.name]
            drifted = [finding for finding in here if finding.verdict is Verdict.PERSISTENT]
            missing = sum(finding.divergence is Divergence.MISSING for finding in here)
            orphans = sum(finding.divergence is Divergence.ORPHAN for finding in here)
            tally.replicas.append(
                ReplicaTally(
                    replica.name,
                    str(replica.dataset),
                    owner_rows,
                    owner_rows - missing + orphans,
                    owner_rows + orphans,
                    verdicts=dict(Counter(finding.verdict for finding in here)),
                    owner_watermark="pg 0/16B3748 snapshot 731:731:",
                    lag_bound_seconds=replica.lag_bound.total_seconds(),
                    fields_differing=dict(Counter(field.name for finding in drifted for field in finding.fields)),
                )
            )
        entities.append(tally)
    return entities


def shop_result() -> RunResult:
    """A run over the shop that found drift, and one row it could not judge."""
    findings = shop_findings()
    entities = tallied(findings, shop_contracts(), {"customer": 100_000, "order": 300_000})
    search = entities[1].replicas[1]
    search.coverage = Coverage(complete=True, skipped=("updated_at: at_creation, and there is no history",))
    entities[1].replicas[2].kept = 12
    return RunResult(
        "20260131T020000-8c1f",
        "reconcile",
        STARTED,
        FINISHED,
        2,
        ("drift", "undecided"),
        entities,
        findings,
        loads={
            "orders_db": {"queries": 5, "rows": 300_004, "seconds": 2.1},
            "lake": {"queries": 2, "rows": 300_000, "seconds": 0.4},
        },
    )


def _report(result: RunResult) -> ReportDocument:
    documents = [finding_document(finding) for finding in result.findings]
    seed = random.Random(3)
    ages = (0, 0, 60 * 8, 60 * 24, 60 * 24 * 3, 60 * 24 * 16)
    seen = {
        document["id"]: Times(
            instant_text(result.started_at - timedelta(minutes=seed.choice(ages))), instant_text(result.finished_at)
        )
        for document in documents
    }
    return report_document(run_document(result, shop_contracts()), documents, seen)


def shop_report() -> ReportDocument:
    """The shop's report."""
    return _report(shop_result())


def clean_report() -> ReportDocument:
    """The report of a run that found nothing."""
    entities = tallied([], shop_contracts(), {"customer": 100_000, "order": 300_000})
    finished = STARTED + timedelta(seconds=4.1)
    return _report(RunResult("20260131T020000-8c1f", "reconcile", STARTED, finished, 0, (), entities, []))


def trouble_report() -> ReportDocument:
    """The report of a run that could not read a store, and met an empty owner."""
    entities = tallied([], shop_contracts(), {"customer": 0, "order": 300_000})
    entities[1].replicas[1] = replace(
        entities[1].replicas[1],
        replica_rows=0,
        compared_rows=0,
        coverage=Coverage(complete=False, skipped=("read_model/order_search could not be read",)),
    )
    for replica in entities[0].replicas:
        replica.coverage = Coverage(complete=False, skipped=("the owner customers_db/public.customers has no rows",))
    error = (
        "reading read_model/order_search failed: unable to open database file read_model.db; "
        "expected an SQLite database\n"
        "  next: check `connections.read_model.url` in auditor.yaml"
    )
    reasons = ("incomplete", "unreadable", "empty_owner")
    finished = STARTED + timedelta(seconds=1.3)
    return _report(
        RunResult("20260131T020000-8c1f", "reconcile", STARTED, finished, 2, reasons, entities, [], errors=(error,))
    )


def hostile_report() -> ReportDocument:
    """A report whose every value, key, name and note tries to break out of it."""
    findings = []
    for number, text in enumerate(HOSTILE):
        other = HOSTILE[(number + 1) % len(HOSTILE)]
        findings.append(
            Finding(
                "order",
                ("reporting", "search", None)[number % 3],
                (("id", text), ("</script>", other)),
                Divergence.MISMATCH,
                (Verdict.PERSISTENT, Verdict.UNDECIDED)[number % 2],
                rule=text,
                fields=(FieldDifference(text[:200] or "empty", text, other), FieldDifference("status", other, text)),
                evidence=Evidence("elapsed", (Read(text, STARTED, text, text, text),), ({text: other},), note=text),
            )
        )
    entities = tallied(findings, shop_contracts(), {"customer": 1, "order": len(findings)})
    entities[1].replicas[0].coverage = Coverage(complete=True, skipped=HOSTILE)
    return _report(
        RunResult(
            "run</script>", "reconcile", STARTED, FINISHED, 2, ("drift", "undecided"), entities, findings, HOSTILE
        )
    )


def large_findings(count: int) -> list[Finding]:
    """Many findings, over every replica of the shop."""
    seed = random.Random(11)
    places = [(c.entity, r.name) for c in shop_contracts().values() for r in c.replicas]
    findings = []
    for number in range(count):
        entity, replica = places[number % 5]
        amount = seed.randrange(100, 10_000_000)
        fields = (
            FieldDifference("total_amount", f"{amount // 100}.{amount % 100:02}", f"{amount // 100}.00"),
            FieldDifference("status", "shipped", "pending"),
        )
        kind = (Divergence.MISMATCH, Divergence.MISMATCH, Divergence.MISMATCH, Divergence.MISSING, Divergence.ORPHAN)
        divergence = kind[seed.randrange(5)]
        findings.append(
            Finding(
                entity,
                replica,
                _key(seed),
                divergence,
                Verdict.PERSISTENT,
                cause=seed.choice((Cause.STALE, Cause.UNKNOWN, Cause.LOSSY_COPY)),
                fields=fields if divergence is Divergence.MISMATCH else (),
                evidence=Evidence("elapsed", _reads(replica)),
            )
        )
    return findings


def large_result(count: int) -> RunResult:
    """A run with many findings."""
    findings = large_findings(count)
    entities = tallied(findings, shop_contracts(), {"customer": 1_000_000, "order": 5_000_000})
    return RunResult("20260131T020000-8c1f", "reconcile", STARTED, FINISHED, 1, ("drift",), entities, findings)


def large_report(count: int) -> ReportDocument:
    """A report with many findings."""
    return _report(large_result(count))


def main() -> None:
    """Write every sample in every format."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    samples = {
        "shop": shop_report(),
        "clean": clean_report(),
        "trouble": trouble_report(),
        "hostile": hostile_report(),
        "large": large_report(20_000),
    }
    for name, document in samples.items():
        for format_name in NAMES:
            form = format_named(format_name)
            with (directory / f"{name}{form.suffix}").open("w", encoding="utf-8", newline="") as file:
                form.write(document, document["findings"], file)


if __name__ == "__main__":
    main()
