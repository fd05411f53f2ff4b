"""What stands in a replica's table now: its columns, how it spells its values, and the exact image of single rows.

All of it is asked through the readers that audits use, as queries of their own: nothing here opens a store.  A
sensitive column, and one that no contract speaks of, is asked for no more than whether it is NULL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditor.compensations.columns import TargetColumn, TargetTable
from auditor.compensations.spelling import SAMPLE_ROWS_MAX
from contracts.contract import QueryRef
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Keys, Wanted
from reconcilers.projection import compile_side, key_sql, replica_items, select_filter
from reconcilers.row_keys import key_text, key_texts
from reconcilers.sight import Suspects
from reconcilers.suspect_keys import SuspectKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.compensations.dialect import Dialect
    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.ports import Reader, Shape
    from reconcilers.projection import Item
    from reconcilers.workspace import Workspace

_TEXT = LogicalType(Kind.TEXT)
_CATALOG_COLUMNS = ("name", "declared", "nullable", "filled", "generated", "always", "bytewise", "readable", "kind")


@dataclass(frozen=True, slots=True)
class Image:
    """One row of a replica as it is now.

    Attributes:
        shown: Column to its image, as the dialect reads it.
        hidden: Column to whether it holds something.
    """

    shown: Mapping[str, str | None] = field(default_factory=dict)
    hidden: Mapping[str, bool] = field(default_factory=dict)


class Target:
    """One replica's table.

    Args:
        reader: Makes the reader of a query.
        workspace: Where rows meet.
        contract: The entity's.
        replica: Whose table it is; it has a dataset.
        dialect: Of its store.
        name: Begins the names of tables in the workspace.
    """

    def __init__(
        self,
        reader: Callable[[QueryRef], Reader],
        workspace: Workspace,
        contract: Contract,
        replica: Replica,
        dialect: Dialect,
        name: str,
    ) -> None:
        if replica.dataset is None:
            raise ValueError("a replica without a dataset has no table")
        self._reader = reader
        self._workspace = workspace
        self._contract = contract
        self._replica = replica
        self.dialect = dialect
        self._name = name
        self._dataset = replica.dataset
        self.relation = replica.dataset.relation
        self.table = self._described()
        self.samples = self._sampled()

    @property
    def shown_columns(self) -> list[TargetColumn]:
        """Columns whose values a plan may hold: mapped and not sensitive, the flag, what `select` names."""
        return [column for column in self.table.columns if column.name in self._speakable()]

    @property
    def hidden_columns(self) -> list[TargetColumn]:
        """All the others."""
        return [column for column in self.table.columns if column.name not in self._speakable()]

    def _speakable(self) -> set[str]:
        fields = self._contract.fields
        maps = (*self._replica.key, *self._replica.fields)
        names = {m.path for m in maps if m.equality.mode != "ignored"} | set(
            self._replica.select.names if self._replica.select else ()
        )
        if self._replica.deletes.column is not None:
            names.add(self._replica.deletes.column)
        return names - {m.path for m in maps if fields[m.field].sensitive}

    # -- asking ------------------------------------------------------------------------------------------------------

    def _ask(self, sql: str, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
        reader = self._reader(QueryRef(self._dataset.connection, sql))
        table = f"{self._name}_asked"
        with reader.snapshot(self._workspace) as snapshot:
            relation = snapshot.scan([Wanted(column, _TEXT) for column in columns])
            listed = ", ".join(f'CAST({raw.sql} AS VARCHAR) AS "a{i}"' for i, raw in enumerate(relation.columns))
            snapshot.load(f"SELECT {listed} FROM {relation.sql}", table)
        return self._workspace.cursor().execute(f'SELECT * FROM "{table}"').fetchall()

    def _described(self) -> TargetTable:
        rows = self._ask(self.dialect.catalog_query(self.relation), _CATALOG_COLUMNS)
        columns = tuple(
            TargetColumn(name or "", declared or "", *(fact == "1" for fact in facts))
            for name, declared, *facts, _ in rows
        )
        return TargetTable(self.relation, columns, (rows[0][-1] or "table") if rows else "no table")

    def _sampled(self) -> dict[str, list[str]]:
        """What each column holds in some rows, as images."""
        columns = self.shown_columns
        if not columns:
            return {}
        images = [f"{self.dialect.image(column)} AS audit_{i}" for i, column in enumerate(columns)]
        rows = self._ask(
            f"SELECT {', '.join(images)} FROM {self.dialect.table(self.relation)} LIMIT {SAMPLE_ROWS_MAX}",
            [f"audit_{i}" for i in range(len(columns))],
        )
        return {
            column.name: [image for row in rows if (image := row[i]) is not None] for i, column in enumerate(columns)
        }

    def _holds_something(self, column: TargetColumn) -> str:
        """SQL of 1 where a column is not NULL; one that may not be read is taken to hold something."""
        return (
            f"CASE WHEN {self.dialect.quoted(column.name)} IS NULL THEN '0' ELSE '1' END" if column.readable else "'1'"
        )

    def _columns_of(self, items: Sequence[Item]) -> list[str]:
        """The columns that hold these things; all of them where one lies inside a document."""
        names = dict.fromkeys(item.wanted.path for item in items)
        if any(self.table.column(name) is None for name in names):
            return ["t.*"]
        return [f"t.{self.dialect.quoted(name)}" for name in names]

    def images(self, shape: Shape, keys: Mapping[KeyText, tuple[str | None, ...]]) -> dict[KeyText, list[Image]]:
        """The rows with these keys.

        Args:
            shape: Of the replica's dataset.
            keys: Canonical key to how the store spells it.
        """
        if not keys:
            return {}
        contract, cursor = self._contract, self._workspace.cursor()
        known = SuspectKeys(cursor, contract, Suspects(list(keys)), f"{self._name}_image_keys")
        shown, hidden = self.shown_columns, self.hidden_columns
        asked = [self.dialect.image(column) for column in shown]
        asked += [self._holds_something(column) for column in hidden]
        listed = "".join(f", {image} AS audit_{i}" for i, image in enumerate(asked))
        items = [
            item for item in replica_items(contract, self._replica, shape)
            if item.name in contract.key or item.name.startswith("\0select ")
        ]  # fmt: skip
        named = ", ".join(self._columns_of(items))
        query = f"SELECT {named}{listed} FROM {self.dialect.table(self.relation)} t"
        wanted = [*(item.wanted for item in items), *(Wanted(f"audit_{i}", _TEXT) for i in range(len(asked)))]
        places = {item.name: item.wanted for item in items}
        sought = Keys(
            tuple(places[name] for name in contract.key),
            [tuple((part or "",) for part in spelled) for spelled in keys.values()],
        )
        with self._reader(QueryRef(self._dataset.connection, query)).snapshot(self._workspace) as snapshot:
            relation = snapshot.lookup(wanted, sought)
            side = compile_side(items, type(relation)(relation.sql, relation.columns[: len(items)]))
            parts = [key_sql(contract.fields[name].type, side.of(name)) for name in contract.key]
            columns = [f'{part} AS "k{i}"' for i, part in enumerate(parts)]
            columns += [f'CAST({raw.sql} AS VARCHAR) AS "a{i}"' for i, raw in enumerate(relation.columns[len(items) :])]
            selected = select_filter(self._replica, side).removeprefix(" WHERE ") or "true"
            condition = f"({selected}) AND {known.among(parts)}"
            snapshot.load(f"SELECT {', '.join(columns)} FROM {relation.sql} WHERE {condition}", f"{self._name}_images")
        texts = ", ".join([*key_texts(contract), *(f"a{i}" for i in range(len(asked)))])
        found: dict[KeyText, list[Image]] = {}
        for row in cursor.execute(f'SELECT {texts} FROM "{self._name}_images"').fetchall():
            key, values = key_text(contract, row[: len(parts)]), row[len(parts) :]
            image = Image(
                {column.name: value for column, value in zip(shown, values, strict=False)},
                {column.name: value == "1" for column, value in zip(hidden, values[len(shown) :], strict=True)},
            )
            found.setdefault(key, []).append(image)
        return found
