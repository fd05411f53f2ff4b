"""Which rows are compared, which are found, and how they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconcilers.finding import Divergence, finding_identity
from reconcilers.rows import Counts
from reconcilers.sight import Suspects
from tests.worlds.small_world import Rows, SmallWorld, told

if TYPE_CHECKING:
    from reconcilers.look import Looker
    from reconcilers.workspace import Workspace

THING = """\
entity: thing
version: 1
team: t
owner: {{service: s, dataset: own/things{owner}}}
key: [id]
fields:
  id: {{type: int}}
  name: {{type: text}}
replicas:
  - {{service: copy, dataset: copy/things, lag_bound: 1m{replica}}}
"""


def thing(owner_rows: Rows, replica_rows: Rows, *, replica: str = "", owner: str = "") -> SmallWorld:
    """An owner and one replica; further settings begin with a comma."""
    text = THING.format(owner=owner, replica=replica)
    return SmallWorld([text], {"own/things": owner_rows, "copy/things": replica_rows})


def counts(world: SmallWorld, workspace: Workspace) -> Counts:
    """What one look counted at the replica."""
    found = world.look(workspace).replicas["copy"].counts
    assert found is not None
    return found


def row(number: str | None, name: str | None = "a", **more: str | None) -> dict[str, str | None]:
    """One row, the same on both sides."""
    return {"id": number, "name": name, **more}


SOFT_OWNER = ", soft_delete: {field: is_deleted}"
OWNERS = {
    "live": [row("1", is_deleted="false")],
    "absent": [],
    "flagged": [row("1", is_deleted="true")],
}
REPLICAS = {
    "absent": [],
    "flagged": [row("1", gone="true")],
    "live": [row("1", gone="false")],
}
DELETES = {"propagate": "", "soft": ", deletes: {soft: gone}", "keep": ", deletes: keep"}


def _found(owner: str, mode: str, replica: str) -> str | None:
    """The table of the interface's third section; the kept row is counted and not found."""
    flagged = replica == "flagged" and mode == "soft"  # only a replica with a flag can have flagged rows
    present = replica != "absent" and not flagged
    if owner == "live":
        return None if present else "missing"
    return "orphan" if present and mode != "keep" else None


@pytest.mark.parametrize("mode", DELETES)
@pytest.mark.parametrize("replica", REPLICAS)
@pytest.mark.parametrize("owner", OWNERS)
def test_what_becomes_of_a_replica_s_row_when_the_owner_s_goes(
    workspace: Workspace, owner: str, replica: str, mode: str
) -> None:
    """Each cell of the table of deletes: a flagged row counts as deleted, on both sides."""
    world = thing(OWNERS[owner], REPLICAS[replica], replica=DELETES[mode], owner=SOFT_OWNER)
    expected = _found(owner, mode, replica)
    look = world.look(workspace)
    assert told(look) == ([("copy", ("1",), expected, None)] if expected else [])
    kept = mode == "keep" and owner != "live" and replica != "absent"
    seen = look.replicas["copy"].counts
    assert seen is not None
    assert seen.kept == int(kept)


def test_a_key_twice_on_both_sides_is_two_findings_and_nothing_beside_them(workspace: Workspace) -> None:
    """A duplicate is judged by its key alone, whatever its copies hold."""
    world = thing([row("1", "a"), row("1", "b")], [row("1", "c"), row("01", "d"), row("+1", "e")])
    look = world.look(workspace)
    assert told(look) == [("copy", ("1",), "duplicate", None), (None, ("1",), "duplicate", None)]
    assert [sight.finding.count for sight in look.owner_sights] == [2]
    assert [sight.finding.count for sight in look.replicas["copy"].sights] == [3]


@pytest.mark.parametrize("twice", ["own", "copy"])
def test_a_key_twice_on_one_side_hides_the_other_side_s_row(workspace: Workspace, twice: str) -> None:
    """There is no telling which of the rows would be meant: neither missing, nor orphan, nor mismatch."""
    once, again = [row("1", "other")], [row("1"), row("1")]
    world = thing(again, once) if twice == "own" else thing(once, again)
    assert told(world.look(workspace)) == [(None if twice == "own" else "copy", ("1",), "duplicate", None)]


def test_a_flagged_row_makes_no_duplicate(workspace: Workspace) -> None:
    """A deleted row under a key that lives again is no second row."""
    copies = [row("1", gone="true"), row("1", gone=None)]
    assert told(thing([row("1")], copies, replica=", deletes: {soft: gone}").look(workspace)) == []


def test_a_row_without_a_key_is_null_key_only(workspace: Workspace) -> None:
    """It is counted among the rows, one finding for all that share it."""
    world = thing([row("1")], [row("1"), row(None), row(None, "b")])
    look = world.look(workspace)
    assert told(look) == [("copy", (None,), "null_key", None)]
    assert look.replicas["copy"].sights[0].finding.count == 2
    assert counts(world, workspace).replica_rows == 3


def test_a_key_that_is_none_of_its_type_shows_its_raw_text(workspace: Workspace) -> None:
    """At the owner it breaks the rule `type`, in a replica it is a mismatch of that rule."""
    world = thing([row("1"), row("one")], [row("1"), row("1.5")])
    assert told(world.look(workspace)) == [
        ("copy", ("1.5",), "mismatch", "type"),
        (None, ("one",), "invariant", "type"),
    ]


def test_a_value_that_the_owner_holds_wrongly_is_not_compared(workspace: Workspace) -> None:
    """It is the owner's finding; the replica cannot be right or wrong about it."""
    text = THING.format(owner="", replica="").replace("name: {type: text}", "name: {type: int}")
    world = SmallWorld([text], {"own/things": [row("1", "one")], "copy/things": [row("1", "2")]})
    assert told(world.look(workspace)) == [(None, ("1",), "invariant", "type")]


def test_rows_are_counted_as_reports_name_them(workspace: Workspace) -> None:
    """The owner's rows in scope, the replica's live rows, and the distinct keys of both that get a verdict."""
    owner = [row("1"), row("2"), row("3", "draft"), row("4"), row("4")]
    copies = [row("1"), row("9"), row("8", kind="other"), row(None)]
    settings = ", where: \"name <> 'draft'\", select: \"kind = 'thing'\""
    for copy in copies:
        copy.setdefault("kind", "thing")
    seen = counts(thing(owner, copies, replica=settings), workspace)
    assert seen == Counts(owner_rows=4, replica_rows=3, compared_rows=4, kept=0)


def test_a_row_out_of_scope_is_an_orphan_in_the_replica(workspace: Workspace) -> None:
    """A NULL `where` counts as failing; under `keep` the row is kept."""
    owner, copies = [row("1", None), row("2", "draft"), row("3")], [row("1", None), row("2", "draft"), row("3")]
    where = ", where: \"name <> 'draft'\""
    found = told(thing(owner, copies, replica=where).look(workspace))
    assert found == [("copy", ("1",), "orphan", None), ("copy", ("2",), "orphan", None)]
    kept = thing(owner, copies, replica=f"{where}, deletes: keep")
    assert told(kept.look(workspace)) == []
    assert counts(kept, workspace).kept == 2


def test_a_partial_replica_may_lack_rows_and_nothing_else(workspace: Workspace) -> None:
    """Orphans and different rows are still drift."""
    world = thing([row("1"), row("2")], [row("2", "b"), row("3")], replica=", completeness: partial")
    assert told(world.look(workspace)) == [("copy", ("2",), "mismatch", None), ("copy", ("3",), "orphan", None)]


def test_the_run_s_own_filter_is_as_if_other_rows_were_not_there(workspace: Workspace) -> None:
    """Where the owner has a row its values decide, else the replica's own; rows outside are nowhere counted."""
    owner = [row("1", "in"), row("2", "out"), row("3", "in")]
    copies = [row("1", "in"), row("2", "in"), row("4", "out"), row("5", "in")]
    look = thing(owner, copies).look(workspace, where="name = 'in'")
    assert told(look) == [("copy", ("3",), "missing", None), ("copy", ("5",), "orphan", None)]
    assert look.owner_rows == 2
    assert look.replicas["copy"].counts == Counts(owner_rows=2, replica_rows=2, compared_rows=3, kept=0)


def test_the_run_s_own_filter_leaves_out_duplicate_keys_of_other_rows(workspace: Workspace) -> None:
    """The owner's row decides where there is one; else every copy must be outside beyond doubt."""
    owner = [row("1", "in"), row("2", "out")]
    copies = [row("1", "in"), row("1", "out"), row("2", "in"), row("2", "in")]
    copies += [row("3", "out"), row("3", "out"), row("4", "out"), row("4", "in")]
    look = thing(owner, copies).look(workspace, where="name = 'in'")
    assert told(look) == [("copy", ("1",), "duplicate", None), ("copy", ("4",), "duplicate", None)]


def test_the_run_s_own_filter_leaves_out_rows_without_a_usable_key(workspace: Workspace) -> None:
    """No key leads to the owner's row: the row's own values decide, and what may be inside is told."""
    owner = [row("1", "in"), row(None, "out"), row("x", "out")]
    copies = [row("1", "in"), row(None, "out"), row("y", "out"), row(None, "in"), row("z", None)]
    look = thing(owner, copies).look(workspace, where="name = 'in'")
    assert told(look) == [("copy", ("z",), "mismatch", "type"), ("copy", (None,), "null_key", None)]


def test_a_copy_says_what_it_is_to_hold_where_the_values_alone_do_not(workspace: Workspace) -> None:
    """A mask, a digest, a cut or a redaction is not seen in two values, least of all where both are hashed."""
    for equality, plain, other in (
        ("{mask: '*'}", "unmasked", "masked"),
        ("{hash: sha256}", "unhashed", "hashed"),
        ("{truncated_to: 3}", "uncut", "cut to 3 characters"),
    ):
        settings = f", fields: {{name: {{path: name, equality: {equality}}}}}"
        copies = [row("1", "secret"), row("2", "?")]
        sights = thing([row("1", "secret"), row("2", "secret")], copies, replica=settings).look(workspace)
        notes = [sight.finding.fields[0].note for sight in sights.replicas["copy"].sights]
        assert sorted(notes) == sorted(
            [f"the replica holds the owner's value {plain}", f"the replica is to hold the owner's value {other}"]
        )


def test_a_redacted_copy_that_is_not_says_so(workspace: Workspace) -> None:
    """Whichever constant the others hold."""
    copies = [row("1", "x"), row("2", "x"), row("3", "secret"), row("4", "y")]
    settings = ", fields: {name: {path: name, equality: redacted}}"
    world = thing([row(str(number), "secret") for number in range(1, 5)], copies, replica=settings)
    notes = {sight.finding.key: sight.finding.fields[0].note for sight in world.look(workspace).replicas["copy"].sights}
    assert notes == {
        (("id", "3"),): "the replica holds the owner's value, not redacted",
        (("id", "4"),): "the replica is to hold NULL, or the same constant in every row",
    }


def test_a_redacted_column_holds_one_constant_or_null(workspace: Workspace) -> None:
    """The constant is the most frequent text, the least of equals; whatever else stands there is a mismatch."""
    owner = [row(str(number), "secret") for number in range(1, 6)]
    copies = [row("1", "x"), row("2", "x"), row("3", "secret"), row("4", None), row("5", "y")]
    world = thing(owner, copies, replica=", fields: {name: {path: name, equality: redacted}}")
    assert told(world.look(workspace)) == [("copy", ("3",), "mismatch", None), ("copy", ("5",), "mismatch", None)]


def test_a_redacted_column_with_equally_frequent_texts_means_the_least(workspace: Workspace) -> None:
    """So that two runs over the same rows say the same."""
    owner = [row("1"), row("2")]
    world = thing(owner, [row("1", "b"), row("2", "a'")], replica=", fields: {name: {path: name, equality: redacted}}")
    assert told(world.look(workspace)) == [("copy", ("1",), "mismatch", None)]


def doubted(looker: Looker, keys: str) -> dict[str | None, str]:
    """Of a look at some keys: what is not known, by key; nothing else was seen."""
    sights = looker.look(Suspects({(("id", key),) for key in keys})).replicas["copy"].sights
    assert all(sight.doubt for sight in sights)
    return {(sight.finding.key or ())[0][1]: sight.doubt for sight in sights}


def test_some_rows_do_not_tell_the_constant_of_a_redacted_column(workspace: Workspace) -> None:
    """The owner's value may be a leak, however many of the looked-at rows hold it; NULL and any other text pass."""
    owner = [row("1", "secret"), row("2", "secret"), row("3", "secret"), row("4", None), row("5", "x")]
    copies = [row("1", "secret"), row("2", "secret"), row("3", "x"), row("4", None), row("5", "x")]
    looker = thing(owner, copies, replica=", fields: {name: {path: name, equality: redacted}}").looker(workspace)
    assert set(doubted(looker, "12345")) == {"1", "2", "5"}
    assert "the owner's value, not redacted" in doubted(looker, "12")["1"]


def test_after_a_whole_look_some_rows_are_compared_with_the_constant_of_all(workspace: Workspace) -> None:
    """Though the owner's value happens to be the constant."""
    owner = [row("1", "secret"), row("2", "x"), row("3", "b")]
    copies = [row("1", "x"), row("2", "x"), row("3", "b")]
    looker = thing(owner, copies, replica=", fields: {name: {path: name, equality: redacted}}").looker(workspace)
    looker.look()
    sights = looker.look(Suspects({(("id", "2"),), (("id", "3"),)})).replicas["copy"].sights
    assert [(sight.finding.key, sight.doubt) for sight in sights] == [((("id", "3"),), "")]


def test_where_a_redacted_column_was_found_wrong_only_null_puts_it_right(workspace: Workspace) -> None:
    """Any other text may be as wrong."""
    owner = [row("1", "secret"), row("2", "secret"), row("3", "secret")]
    copies = [row("1", "x"), row("2", "x"), row("3", None)]
    looker = thing(owner, copies, replica=", fields: {name: {path: name, equality: redacted}}").looker(workspace)
    looker.unredacted = {
        finding_identity("thing", "copy", (("id", key),), Divergence.MISMATCH, None) for key in ("1", "3")
    }
    assert set(doubted(looker, "123")) == {"1"}


def test_a_replica_that_is_down_takes_nothing_from_the_others(workspace: Workspace) -> None:
    """Its look says why; the owner and the other replicas are looked at."""
    world = thing([row("1")], [], replica="}\n  - {service: other, dataset: other/things, lag_bound: 1m")
    world.down.add("copy/things")
    look = world.look(workspace)
    assert "it is down" in look.replicas["copy"].error
    assert told(look) == [("other", ("1",), "missing", None)]
