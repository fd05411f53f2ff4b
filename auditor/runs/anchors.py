"""Where runs stood that found an entity clean, so that an incremental run can go on from there.

An *anchor* is noted by a run that looked at all it was to look at and found nothing that is still open: where the feeds
of the entity's owner and replicas ended before anything was read, and how far the rotation through the segments has
come.  It holds as long as contract, settings and program are the same, and nothing has been found since.

Which changes lie behind a feed's end is sure: they were committed before what was read then, or are told after it.  A
change that was read as well is read again by the next run; none is read by neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from auditor.feeds.changed import Stand, Stands, UntoldError, changed, stands
from auditor.reports.document import instant_text
from auditor.runs.checkpoints import contract_digest
from contracts.errors import AuditorError, LedgerError
from contracts.logical_types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from auditor.feeds.changed import Changed
    from auditor.ledger.anchors import Anchor
    from auditor.ledger.ledger import Ledger
    from auditor.settings import Settings
    from auditor.wiring import Wiring
    from contracts.contract import Contract, FeedRef

Places = dict[str, Stands]
"""By feed, topic and partition: where it ended."""


class NotIncrementalError(Exception):
    """An entity has to be read whole; the text says why, as a sentence without its end."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far the rotation through an entity's segments has come.

    Attributes:
        bounds: Where the entity is cut, in canonical text; none: it has not been cut yet.
        narrow: See `reconcilers.segments.Division`.
        following: The segment that is to be read next.
        whole_run: The last run that read everything at once.
        whole_at: When that finished.
        rows: Of the side that had the most then.
    """

    bounds: tuple[str, ...] = ()
    narrow: frozenset[str] = frozenset()
    following: int = 0
    whole_run: str = ""
    whole_at: str = ""
    rows: int = 0

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self.bounds) + 1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands with an entity.

    Attributes:
        places: Where its feeds ended before anything was read.
        rotation: After this run; of one that read everything: from the beginning.
    """

    places: Places
    rotation: Rotation = Rotation()

    def packed(self) -> dict[str, Any]:
        """As plain values."""
        turn = self.rotation
        return {
            "feeds": {
                feed: {
                    topic: {str(part): stand.packed() for part, stand in parts.items()}
                    for topic, parts in topics.items()
                }
                for feed, topics in self.places.items()
            },
            "bounds": list(turn.bounds),
            "narrow": sorted(turn.narrow),
            "following": turn.following,
            "whole_run": turn.whole_run,
            "whole_at": turn.whole_at,
            "rows": turn.rows,
        }

    @classmethod
    def of(cls, packed: Mapping[str, Any]) -> Self:
        """The way back."""
        places = {
            feed: {
                topic: {int(part): Stand.of(stand) for part, stand in parts.items()} for topic, parts in topics.items()
            }
            for feed, topics in packed["feeds"].items()
        }
        turn = Rotation(
            tuple(packed["bounds"]), frozenset(packed["narrow"]), packed["following"], packed["whole_run"],
            packed["whole_at"], packed["rows"],
        )  # fmt: skip
        return cls(places, turn)


@dataclass(frozen=True, slots=True)
class Since:
    """What an incremental run goes on from.

    Attributes:
        run_id: The last run that found the entity clean.
        at: When that finished.
        standing: Where it stood.
    """

    run_id: str
    at: str
    standing: Standing


@dataclass(slots=True)
class Anchors:
    """The anchors of one run.

    Attributes:
        wiring: Knows settings and feeds.
        ledger: Keeps them.
        program: The version of this one: another may compare otherwise.
    """

    wiring: Wiring
    ledger: Ledger
    program: str
    _clean: list[tuple[Contract, Standing]] = field(default_factory=list)

    @property
    def _settings(self) -> Settings:
        return self.wiring.settings

    def standing(self, contract: Contract, untold: dict[FeedRef, str]) -> Standing | None:
        """Where an entity's feeds end now; None where it has none, or where one does not say so.

        Args:
            contract: The entity's.
            untold: By change stream that is read beside a dataset, why it tells nothing; what is met here is added.
        """
        places: Places = {}
        topics = _topics(contract)
        for feed, names in topics.items():
            beside = [one for one in contract.streams_beside() if one.name == feed]
            try:
                places[feed] = stands(self._settings, feed, names)
            except AuditorError as error:  # nothing that was asked of this run depends on it
                untold |= dict.fromkeys(beside, error.message)
        return Standing(places) if topics and len(places) == len(topics) else None

    def since(self, contract: Contract) -> Since:
        """What an incremental run may go on from.

        Raises:
            NotIncrementalError: There is nothing; or it does not hold any more.
        """
        _require_feeds(contract)
        anchor = self._anchor(contract)
        said = anchor.document
        for name, now, what in (
            ("contract", contract_digest(contract), "its contract has changed"),
            ("settings", self._settings.digest, "the settings have changed"),
            ("program", self.program, "another version of the program has looked at it"),
        ):
            if said[name] != now:
                raise NotIncrementalError(f"{what} since run {anchor.run_id}, which found it clean")
        return Since(anchor.run_id, anchor.noted_at, Standing.of(said))

    def _anchor(self, contract: Contract) -> Anchor:
        try:
            anchor, is_open = self.ledger.anchor(contract.entity), self.ledger.has_open(contract.entity)
        except LedgerError as error:
            raise NotIncrementalError(f"the ledger cannot be asked: {error.message}") from error
        if is_open:
            raise NotIncrementalError("findings about it are open")
        if anchor is None:
            raise NotIncrementalError("no run has found it clean yet and noted where its feeds ended")
        return anchor

    def changed(self, contract: Contract, since: Since, feed: str, *, alive: bool) -> Changed:
        """What a feed of the entity has told since then.

        Args:
            contract: The entity's.
            since: See `since`.
            feed: Its name.
            alive: Ask for heartbeats, too.

        Raises:
            NotIncrementalError: It does not tell.
        """
        places = since.standing.places.get(feed, {})
        if set(places) != set(_topics(contract)[feed]):
            raise NotIncrementalError(f"where {feed} ended is not known")
        hints = {topic: one.columns for topic, one in self.wiring.feeds.wanted_of(feed).items() if topic in places}
        try:
            return changed(self._settings, feed, places, hints, _key_columns(contract, feed), alive=alive)
        except UntoldError as error:
            raise NotIncrementalError(f"{feed} does not tell what has changed: {error}") from error
        except AuditorError as error:
            raise NotIncrementalError(f"{feed} cannot be read: {error.message}") from error

    def keep(self, contract: Contract, standing: Standing) -> None:
        """An entity was found clean: from here the next run may go on."""
        self._clean.append((contract, standing))

    def noted(self, run_id: str, finished: datetime) -> list[Anchor]:
        """The anchors of the entities that were found clean, for the ledger."""
        return [self._noted(contract, standing, run_id, finished) for contract, standing in self._clean]

    def _noted(self, contract: Contract, standing: Standing, run_id: str, finished: datetime) -> Anchor:
        from auditor.ledger.anchors import Anchor

        at = instant_text(finished)
        turn = standing.rotation
        if not turn.whole_run:
            turn = replace(turn, whole_run=run_id, whole_at=at)
        document = {
            "contract": contract_digest(contract),
            "settings": self._settings.digest,
            "program": self.program,
            **replace(standing, rotation=turn).packed(),
        }
        return Anchor(contract.entity, run_id, at, document)


def feeds_of(contract: Contract) -> dict[str, list[tuple[str, str | None]]]:
    """By feed, the topics of an entity, each with the replica that it is of; None: the owner's."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for reference, replica in _references(contract):
        found.setdefault(reference.name, []).append((reference.topic, replica))
    return found


def key_columns(contract: Contract, replica: str | None) -> list[str]:
    """The key's columns as the topic of a replica names them, or the owner's (None), in contract order."""
    if replica is None:
        return list(contract.key)
    paths = next({part.field: part.path for part in one.key} for one in contract.replicas if one.name == replica)
    return [paths[name] for name in contract.key]


def _key_columns(contract: Contract, feed: str) -> dict[str, set[str]]:
    """Of the topics that a feed has of an entity, the columns of keys."""
    found: dict[str, set[str]] = {}
    for topic, replica in feeds_of(contract)[feed]:
        found.setdefault(topic, set()).update(key_columns(contract, replica))
    return found


def _references(contract: Contract) -> Iterable[tuple[FeedRef, str | None]]:
    if contract.owner.feed is not None:
        yield contract.owner.feed, None
    yield from ((one.feed, one.name) for one in contract.replicas if one.feed is not None)


def _topics(contract: Contract) -> dict[str, list[str]]:
    """By feed, the topics of an entity; none where its owner has no feed."""
    if contract.owner.feed is None:
        return {}
    return {feed: sorted({topic for topic, _ in topics}) for feed, topics in feeds_of(contract).items()}


def _require_feeds(contract: Contract) -> None:
    """Refuse an entity whose contract leaves nothing to go on from."""
    if contract.owner.feed is None:
        raise NotIncrementalError("its owner has no feed that would tell which rows have changed")
    if any(one.equality.mode == "redacted" for replica in contract.replicas for one in replica.fields):
        raise NotIncrementalError("a redacted field is compared with what most rows hold")
    key = contract.fields[contract.key[0]]
    if key.sensitive:
        raise NotIncrementalError(f"{contract.key[0]} is sensitive: where its values are cut may not be kept")
    if key.type.kind is Kind.FLOAT:
        raise NotIncrementalError(f"rows cannot be cut by {contract.key[0]}")
