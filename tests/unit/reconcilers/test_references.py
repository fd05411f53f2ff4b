"""References: a value that is no key of the entity it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.worlds.small_world import SmallWorld, told

if TYPE_CHECKING:
    from reconcilers.workspace import Workspace

CONTRACT = """\
entity: {entity}
version: 1
team: t
owner: {{service: {entity}, dataset: own/{entity}}}
key: [id]
fields:
  id: {{type: int}}
  {field}: {{type: int, references: {to}}}
"""


def test_a_value_that_is_no_key_of_the_other_is_found_and_null_is_not(workspace: Workspace) -> None:
    """However the two sides spell the number."""
    texts = [
        CONTRACT.format(entity="line", field="thing_id", to="thing"),
        CONTRACT.format(entity="thing", field="line_id", to="line"),
    ]
    lines: list[dict[str, str | None]] = [
        {"id": "1", "thing_id": "07"},
        {"id": "2", "thing_id": "8"},
        {"id": "3", "thing_id": None},
    ]
    world = SmallWorld(texts, {"own/line": lines, "own/thing": [{"id": "7", "line_id": None}]})
    assert told(world.look(workspace)) == [(None, ("2",), "reference", "thing_id")]


def test_entities_that_refer_to_each_other_are_lawful(workspace: Workspace) -> None:
    """A cycle is no error: each side is read by itself."""
    texts = [
        CONTRACT.format(entity="line", field="thing_id", to="thing"),
        CONTRACT.format(entity="thing", field="line_id", to="line"),
    ]
    rows: dict[str, list[dict[str, str | None]]] = {
        "own/line": [{"id": "1", "thing_id": "7"}],
        "own/thing": [{"id": "7", "line_id": "1"}],
    }
    assert told(SmallWorld(texts, rows).look(workspace)) == []
    assert told(SmallWorld(texts[::-1], rows).look(workspace)) == []


def test_an_entity_may_refer_to_itself(workspace: Workspace) -> None:
    """A tree: the root refers to nothing, a row may be its own parent."""
    rows: list[dict[str, str | None]] = [
        {"id": "1", "parent": None},
        {"id": "2", "parent": "1"},
        {"id": "3", "parent": "3"},
        {"id": "4", "parent": "5"},
    ]
    world = SmallWorld([CONTRACT.format(entity="node", field="parent", to="node")], {"own/node": rows})
    assert told(world.look(workspace)) == [(None, ("4",), "reference", "parent")]


def test_references_to_an_owner_that_is_down_are_named_as_unchecked(workspace: Workspace) -> None:
    """Not a finding and not silence: the look is incomplete, and says what was not checked."""
    texts = [
        CONTRACT.format(entity="line", field="thing_id", to="thing"),
        CONTRACT.format(entity="thing", field="line_id", to="line"),
    ]
    world = SmallWorld(texts, {"own/line": [{"id": "1", "thing_id": "7"}]}, down={"own/thing"})
    look = world.look(workspace)
    assert told(look) == []
    assert look.notes[0].startswith("references of thing_id to thing were not checked: ")
