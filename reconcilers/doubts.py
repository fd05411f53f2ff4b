"""What a side that is known by its feed alone cannot say: whether a row that it does not show is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconcilers.flaws import Disguise, Flaw, excuse, flaws_by_field, may_be_wrapped
from reconcilers.invariants import TYPE_RULE
from reconcilers.padded_keys import KEY_PADDED, padded_keys
from reconcilers.ports import PartlyKnown
from reconcilers.projection import compile_side
from reconcilers.redaction import redacted_fields
from reconcilers.row_keys import key_text
from reconcilers.row_stage import UNKNOWN_VALUE
from reconcilers.uncounted import sentence, uncounted_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import FieldDifference, Finding, KeyText
    from reconcilers.opened import Opened, Projected
    from reconcilers.ports import Snapshot, Untold

KEY_IN_DOUBT = "could not be understood, so it is not known whether there is a row, and which"


@dataclass(frozen=True, slots=True)
class Doubts:
    """What two sides leave open.

    Attributes:
        unseen: Why a row that one of them does not show may be there all the same: of the owner, and of the replica;
            empty where it is not.
        keys: Keys of which nothing is known, each with why.
        owner: What the owner's feed cannot carry of fields, where it is known by one.
        replica: The same of the replica's.
        uncounted: Keys of rows of which it is not known whether they count, each with why: a condition depends on a
            value that is not told.
        paired: Those of them that both sides seem to hold.
    """

    unseen: tuple[str, str]
    keys: Mapping[KeyText, str]
    owner: Mapping[str, Mapping[Flaw, str]] = field(default_factory=dict)
    replica: Mapping[str, Mapping[Flaw, str]] = field(default_factory=dict)
    uncounted: Mapping[KeyText, str] = field(default_factory=dict)
    paired: Sequence[KeyText] = ()

    def of(self, key: KeyText | None) -> str:
        """Why nothing is known of a key, or not whether it is to be compared; empty where that is known."""
        return self.keys.get(key or (), "") or self.uncounted.get(key or (), "")

    def of_absence(self, key: KeyText | None, *, at_owner: bool) -> str:
        """Why a key that one side lacks may be there, perhaps under another name; empty where it is not.

        Where both sides leave it open, what the one that lacks it leaves open is told.
        """
        unseen = self.unseen if at_owner else self.unseen[::-1]
        found = self.of(key) or unseen[0] or unseen[1]
        holder = self.replica if at_owner else self.owner
        return found or next((why for name, text in key or () if (why := self._of_key(name, text, holder))), "")

    def _of_key(self, name: str, text: str | None, holder: Mapping[str, Mapping[Flaw, str]]) -> str:
        """Why a part of a key may be another in its store; where a feed tells blanks, only of the side that has it."""
        if Flaw.PADDED in holder.get(name, {}) and (text or "").endswith(" "):
            return KEY_PADDED
        flaws = {**self.owner.get(name, {}), **self.replica.get(name, {})}
        return flaws.get(Flaw.WRAPS, "") if may_be_wrapped(text) else ""

    @property
    def disguise(self) -> Disguise:
        """What the feeds of both sides may have made of values."""
        return Disguise.of(self.owner, self.replica)

    def excused(self, contract: Contract, replica: Replica, difference: FieldDifference) -> FieldDifference:
        """A difference that is of a feed's own making, marked as such; any other as it is.

        What a redacted field holds is compared with what the replica's other rows hold, which came the same way: no
        flaw explains that they differ, but for a column whose type changed, or for rows that may be another table's;
        and none of the owner's does.
        """
        if difference.name in redacted_fields(replica):
            found = self.replica.get(difference.name, {})
            why = found.get(Flaw.MIXED) or found.get(Flaw.RETYPED)
            return replace(difference, note=f"{UNKNOWN_VALUE}: {why}") if why else difference
        logical = contract.fields[difference.name].type
        for flaws, told, other in (
            (self.owner, difference.owner, difference.replica),
            (self.replica, difference.replica, difference.owner),
        ):
            why = excuse(flaws.get(difference.name, {}), logical, told, other)
            if why:
                return replace(difference, note=f"{UNKNOWN_VALUE}: {why}")
        return difference


def doubts(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, replica: Replica, projected: tuple[Projected, Projected]
) -> Doubts:
    """Ask both sides, the owner and the replica; one that reads a store itself leaves nothing open."""
    unseen = []
    keys: dict[KeyText, str] = {}
    owner, copy = (side.opened for side in projected)
    for side, whose in ((owner, "the owner"), (copy, replica.name)):
        why = side.snapshot.absence_unknown() if isinstance(side.snapshot, PartlyKnown) else ""
        unseen.append(absence_in_doubt(whose, why) if why else "")
        if isinstance(side.snapshot, PartlyKnown) and (doubted := _doubted(cursor, contract, side, side.snapshot)):
            keys |= dict.fromkeys(doubted, key_in_doubt(whose, side.snapshot.doubt()))
    own, theirs = (flaws_of_side(side.snapshot, contract, of) for side, of in ((owner, None), (copy, replica)))
    keys = padded_keys(cursor, contract, projected, Disguise.of(own, theirs)) | keys
    uncounted, paired = uncounted_keys(cursor, contract, replica, projected)
    return Doubts((unseen[0], unseen[1]), keys, own, theirs, uncounted, paired)


def doubtful_fields(side: Opened, contract: Contract) -> Mapping[str, str]:
    """Fields of an owner whose values may be another's or older than they look, each with why.

    A column has changed its type, or rows of several tables are taken for one.
    """
    flaws = flaws_of_side(side.snapshot, contract, None)
    why = {name: found.get(Flaw.MIXED) or found.get(Flaw.RETYPED) for name, found in flaws.items()}
    return {name: one for name, one in why.items() if one}


def rule_doubt(finding: Finding, doubtful: Mapping[str, str]) -> str:
    """Why it is not known whether an owner's row breaks a rule; empty where it does.

    Args:
        finding: The broken rule, with the values of the row that are to blame.
        doubtful: See `doubtful_fields`.
    """
    untold = [one.name for one in finding.fields if one.note == UNKNOWN_VALUE]
    if untold:
        return sentence("the owner", f"{', '.join(untold)} of this row is, and the rule depends on it")
    why = [doubtful.get(one.name, "") for one in finding.fields]
    is_open = all(why) if finding.rule == TYPE_RULE else any(why)
    return f"{UNKNOWN_VALUE}: {next(filter(None, why))}" if why and is_open else ""


def not_understood(side: Opened) -> str:
    """See `reconcilers.ports.PartlyKnown`; empty of a side that reads a store itself."""
    return side.snapshot.not_understood() if isinstance(side.snapshot, PartlyKnown) else ""


def untold_remarks(who: str, side: Opened) -> list[str]:
    """Which fields a feed does not tell of all rows, or not whether they are NULL: a sentence each."""
    if not isinstance(side.snapshot, PartlyKnown):
        return []
    misnamed = side.snapshot.flaws().get("*", {}).get(Flaw.MISNAMED, "")
    told = [f"{who}: missing rows and orphans are undecided: {misnamed}"] if misnamed else []
    for path, untold in side.snapshot.untold(side.wanted).items():
        told += [
            f"{who}: {sentence}" for sentence in (_lacking(path, untold), _default_or_null(path, untold)) if sentence
        ]
    return told


def _lacking(path: str, untold: Untold) -> str:
    """Of how many rows a feed does not tell a column, and why."""
    if not untold.rows:
        return ""
    rows = "any row" if untold.rows == untold.among else f"{untold.rows:,} of {untold.among:,} rows"
    why = untold.why or "no change that is remembered has told it"
    until = "" if untold.why else f", until they are written again or a new snapshot of the connector tells {path}"
    return f"its feed does not tell {path} of {rows} ({why}): differences in it are undecided{until}"


def _default_or_null(path: str, untold: Untold) -> str:
    """Of how many rows a feed tells a column's default, which its converter may have written for NULL."""
    if not untold.either:
        return ""
    return (
        f"whether {path} of {untold.either:,} of {untold.among:,} rows is its default or NULL, its feed does not tell: "
        "either passes for equal there (where the converter writes NULL as NULL, say so by `debezium.nulls: kept`)"
    )


def absence_in_doubt(whose: str, why: str) -> str:
    """Why a row may be there that the feed of a side does not show."""
    return f"by its feed, not every row of {whose} is known: {why}"


def key_in_doubt(whose: str, first: str) -> str:
    """Why nothing is known of some keys of a side; the first record that leaves one in doubt is named."""
    told = f"a record about it in the feed of {whose} {KEY_IN_DOUBT}"
    return f"{told}; the first such record is {first}" if first else told


def flaws_of_side(snapshot: Snapshot, contract: Contract, replica: Replica | None) -> Mapping[str, Mapping[Flaw, str]]:
    """What one side cannot carry of fields, where it is known by its feed alone; the owner's without a replica."""
    if not isinstance(snapshot, PartlyKnown):
        return {}
    columns = [(name, name) for name in contract.fields]
    if replica is not None:
        columns = [(one.field, one.path) for one in (*replica.key, *replica.fields)]
    return flaws_by_field(columns, snapshot.flaws())


def _doubted(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, side: Opened, snapshot: PartlyKnown
) -> list[KeyText]:
    items = side.key_items(contract)
    relation = snapshot.doubted([item.wanted for item in items])
    if relation is None:
        return []
    compiled, table = compile_side(items, relation), f"{side.table}_doubted"
    texts = ", ".join(f"{compiled.of(item.name).text} AS t{i}" for i, item in enumerate(items))
    side.bring(f"SELECT {texts} FROM {relation.sql}", table)
    return [key_text(contract, row) for row in cursor.execute(f'SELECT * FROM "{table}"').fetchall()]
