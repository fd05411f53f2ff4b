"""What is read from PostgreSQL, and how: a relation as it was described, and the way to each of its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from auditor.readers.native import quote_name
from auditor.readers.postgresql.columns import Access, access
from auditor.readers.postgresql.errors import place
from auditor.readers.postgresql.store_hash import hash_form, hash_sql
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auditor.readers.connection import ConnectionParts
    from auditor.readers.postgresql.catalog import Relation, Server
    from contracts.logical_types import LogicalType
    from reconcilers.ports import Wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """One dataset, described before it is read.

    Attributes:
        dataset: As reports name it.
        parts: Where the server is.
        server: What the server says about itself.
        relation: What it says about the table, view or query.
    """

    dataset: str
    parts: ConnectionParts
    server: Server
    relation: Relation

    def accesses(self, wanted: Sequence[Wanted], *, by_key: bool = False) -> list[Access]:
        """How to read each thing; see `postgresql_columns.access`.

        Raises:
            StoreError: The relation lacks one, or this role may not read it.
        """
        return [self._access(thing, by_key=by_key) for thing in wanted]

    def select(self, accesses: Sequence[Access], hashes: Sequence[str] = ()) -> str:
        """The statement that reads every row, its columns named c0, c1, … and its hashes h0, h1, …."""
        columns = [f"{access.expression} AS c{number}" for number, access in enumerate(accesses)]
        columns += [f"{hashed} AS h{number}" for number, hashed in enumerate(hashes)]
        return f"SELECT {', '.join(columns)} FROM {self.relation.source}"

    def hashes(self, groups: Sequence[Sequence[Wanted]]) -> list[str]:
        """The server's own SQL of the hash of each group of things, all of which have a form."""
        return [hash_sql(list(zip(self.accesses(group), map(_declared, group), strict=True))) for group in groups]

    def _access(self, wanted: Wanted, *, by_key: bool) -> Access:
        columns, zone = self.relation.columns, self.parts.timezone
        found = access(columns, wanted, timezone=zone, version=self.server.version, by_key=by_key)
        failed = f"reading {self.dataset} failed at {place(self.parts)}"
        if found is None:
            message = f"{failed}: there is no column {wanted.path} among its {len(columns)}"
            raise StoreError(message, hint=self._suggestion(wanted.path))
        if not found.column.readable:
            role = quote_name(self.parts.user or "ROLE")
            raise StoreError(
                f"{failed}: the role may not read column {found.column.name}",
                hint=f"GRANT SELECT ({found.name}) ON {self.relation.source} TO {role}",
            )
        if found.inside or not self.server.hashes:
            return found
        return replace(found, raw=replace(found.raw, hash_form=hash_form(found.column, wanted.logical)))

    def _suggestion(self, path: str) -> str:
        for column in self.relation.columns:
            if path.startswith(f"{column.name}."):
                return f"column {column.name} is {column.declared}; paths lead into json and jsonb alone"
        names = [column.name for column in self.relation.columns]
        return did_you_mean(path, names) or "check the fields in the contract"


def _declared(wanted: Wanted) -> LogicalType:
    if wanted.logical is None:
        raise ValueError(f"{wanted.path} has no declared type to be hashed under")
    return wanted.logical
