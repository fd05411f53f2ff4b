"""Many rows at once: a statement compiled one time, then handed to the driver with plain tuples.

SQLAlchemy's own way through a parameter dictionary a row costs as much as SQLite's writing of that row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.elements import ClauseElement

Values = tuple[Any, ...]


class BulkStatement:
    """An INSERT or UPDATE for one connection's database.

    Args:
        connection: Whose dialect it is compiled for.
        statement: With one bound parameter for each of `names`.
        names: Of the parameters, in the order that rows have their values in; of plain types that need no conversion.
    """

    def __init__(self, connection: Connection, statement: ClauseElement, names: Sequence[str]) -> None:
        compiled = statement.compile(dialect=connection.dialect, column_keys=list(names))
        self._connection = connection
        self._text = str(compiled)
        self._names = tuple(names)
        positions: Sequence[str] | None = getattr(compiled, "positiontup", None)
        self._order = None if positions is None else tuple(names.index(name) for name in positions)

    def run(self, rows: Sequence[Values]) -> None:
        """Execute it for every row."""
        if not rows:
            return
        if self._order is None:
            self._connection.exec_driver_sql(self._text, [dict(zip(self._names, row, strict=True)) for row in rows])
        elif self._order == tuple(range(len(self._names))):
            self._connection.exec_driver_sql(self._text, list(rows))
        else:
            self._connection.exec_driver_sql(self._text, [tuple(row[place] for place in self._order) for row in rows])
