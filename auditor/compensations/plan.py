"""The compensation plan as data: what `plan.json` holds, and what makes a plan one that can be trusted.

A plan says when it expires, which contracts it was made under, and the digest of all that it says: one that was edited
is no longer what anybody reviewed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from contracts.contract import Contract

PLAN_VERSION = 1
PLAN_FILE = "plan.json"

VALID_FOR = timedelta(hours=24)
"""How long a plan may be applied: a working day for reviewing; older ones rarely meet their preconditions."""

COMPENSATION_MEMBERS = (
    "id", "finding_id", "replica", "action", "store", "statement", "parameters", "precondition", "inverse", "risk",
    "reason", "order", "expires_at", "verify",
)  # fmt: skip

LEFT_OUT_MAX = 10_000
"""Findings that a plan names as left out; of more, such as a baseline of a million, it tells the number alone."""

Document = dict[str, Any]


@dataclass(slots=True)
class Plan:
    """What is proposed.

    Attributes:
        compensations: As in the interface, in order.
        left_out: Findings for which nothing is proposed, each with the reason; at most LEFT_OUT_MAX.
        left_out_unnamed: How many more there are, by reason.
        unreadable: Stores that could not be read, each as one sentence.
        beyond_limit: Findings that did not fit the plan.
        scripts: Name of a file to its text.
    """

    run_id: str
    made_at: datetime
    expires_at: datetime
    auditor_version: str
    contracts: Mapping[str, Contract]
    compensations: list[Document] = field(default_factory=list)
    left_out: list[Document] = field(default_factory=list)
    left_out_unnamed: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    beyond_limit: int = 0
    scripts: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every finding of the run was thought about."""
        return not self.unreadable and not self.beyond_limit

    def leave_out(self, finding: Mapping[str, Any], reason: str) -> None:
        """Propose nothing for a finding."""
        if len(self.left_out) < LEFT_OUT_MAX:
            self.left_out.append({"finding_id": finding["id"], "reason": reason})
        else:
            self.left_out_unnamed[reason] += 1

    def left_out_counts(self) -> Counter[str]:
        """How many findings are left out, by reason."""
        return Counter(one["reason"] for one in self.left_out) + self.left_out_unnamed

    def document(self) -> Document:
        """The plan as JSON."""
        entities = {one["verify"]["entity"] for one in self.compensations}
        said: Document = {
            "plan_version": PLAN_VERSION,
            "run_id": self.run_id,
            "made_at": instant(self.made_at),
            "expires_at": instant(self.expires_at),
            "auditor_version": self.auditor_version,
            "complete": self.complete,
            "contracts": {name: contract_stamp(self.contracts[name]) for name in sorted(entities)},
            "files": sorted(self.scripts),
            "compensations": self.compensations,
            "left_out": self.left_out,
            **({"left_out_unnamed": dict(self.left_out_unnamed)} if self.left_out_unnamed else {}),
            "unreadable": self.unreadable,
            "beyond_limit": self.beyond_limit,
        }
        return {**said, "digest": digest(said)}


def instant(moment: datetime) -> str:
    """A time as plans write it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def contract_stamp(contract: Contract) -> dict[str, Any]:
    """What tells whether a contract is still the one that a plan was made under."""
    return {"version": contract.version, "digest": hashlib.sha256(contract.text.encode()).hexdigest()[:16]}


def digest(document: Mapping[str, Any]) -> str:
    """The digest of all that a plan says."""
    said = {name: value for name, value in document.items() if name != "digest"}
    return f"sha256:{hashlib.sha256(json.dumps(said, sort_keys=True, separators=(',', ':')).encode()).hexdigest()}"


def load_plan(path: Path) -> Document:
    """Read a plan.

    Args:
        path: The file, or the directory that it is in.

    Raises:
        UsageError: It cannot be read, is no plan, or was changed after it was made.
    """
    file = path / PLAN_FILE if path.is_dir() else path
    try:
        document = json.loads(file.read_text("utf-8"))
    except OSError as error:
        hint = "name the plan.json that `audit compensate` wrote"
        raise UsageError(f"reading the plan {file} failed: {error.strerror or error}", hint=hint) from error
    except ValueError as error:
        hint = "name the plan.json that `audit compensate` wrote"
        raise UsageError(f"reading the plan {file} failed: it is no JSON ({error})", hint=hint) from error
    _require_plan(document, file)
    return dict(document)


def _require_plan(document: Any, file: Path) -> None:
    again = "make a new one with `audit compensate`"
    if not isinstance(document, dict) or not isinstance(document.get("compensations"), list):
        raise UsageError(f"{file} is no compensation plan", hint="name the plan.json that `audit compensate` wrote")
    if document.get("plan_version") != PLAN_VERSION:
        raise UsageError(
            f"{file} is a plan of version {document.get('plan_version')!r}; this version reads {PLAN_VERSION}",
            hint=again,
        )
    if document.get("digest") != digest(document):
        raise UsageError(
            f"{file} was changed after it was made: its digest does not fit what it says, so nobody reviewed this",
            hint=again,
        )


def require_same_contracts(document: Mapping[str, Any], contracts: Mapping[str, Contract]) -> None:
    """Hold the contracts against those that a plan was made under.

    Raises:
        UsageError: One is gone or changed.
    """
    for entity, stamp in document["contracts"].items():
        now = contracts.get(entity)
        if now is None:
            raise UsageError(
                f"the plan is about {entity}, of which there is no contract any more",
                hint="make a new plan with `audit compensate`",
            )
        if contract_stamp(now) != stamp:
            raise UsageError(
                f"the contract of {entity} changed after the plan was made "
                f"(version {stamp['version']} then, version {now.version} now)",
                hint="run `audit reconcile`, then make a new plan with `audit compensate`",
            )


def has_expired(document: Mapping[str, Any], now: datetime) -> bool:
    """Whether the plan may no longer be applied."""
    return now >= datetime.fromisoformat(document["expires_at"])
