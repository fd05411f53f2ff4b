"""The least that the auditor's user needs, as each store's own statements: to read what the contracts name, no more.

Nothing is connected: the statements come from settings and contracts alone, so that they can be run before the first
audit, by somebody who may.  A relation is quoted letter by letter, as the readers do.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from auditor.settings import Connection, Settings
    from contracts.contract import Contract

DEFAULT_USER = "auditor"


@dataclass(frozen=True, slots=True)
class Grants:
    """What one connection needs.

    Attributes:
        store: How the statements are run: `sql`, or `sh` for files.
        notes: What statements cannot say, a sentence each.
    """

    connection: str
    url: str
    store: str
    statements: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Named:
    """What contracts name of one connection."""

    relations: dict[str, None] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)


def least_grants(settings: Settings, contracts: Iterable[Contract]) -> list[Grants]:
    """For each configured connection that a contract names, what its user must be granted."""
    named: dict[str, _Named] = {}
    for contract in contracts:
        _note(contract, named)
    return [_of_connection(settings.connection(name), named[name]) for name in settings.connections if name in named]


def named_connections(contracts: Iterable[Contract]) -> dict[str, list[str]]:
    """Each connection that contracts name, with the entities that do."""
    found: dict[str, list[str]] = {}
    for contract in contracts:
        named: dict[str, _Named] = {}
        _note(contract, named)
        for connection in named:
            found.setdefault(connection, []).append(contract.entity)
    return found


def _note(contract: Contract, named: dict[str, _Named]) -> None:
    owner = contract.owner
    if owner.query is not None:
        named.setdefault(owner.query.connection, _Named()).queries.append(owner.query.sql)
    for dataset in (owner.dataset, *(replica.dataset for replica in contract.replicas)):
        if dataset is not None:
            named.setdefault(dataset.connection, _Named()).relations[dataset.relation] = None


def _of_connection(connection: Connection, named: _Named) -> Grants:
    dialect = connection.url.dialect
    statements, store, notes = _WAYS.get(dialect, _standard)(connection, named)
    return Grants(connection.name, connection.url_without_password, store, tuple(statements), tuple(notes))


_Way = tuple["Iterable[str]", str, "Iterable[str]"]


def _postgresql(connection: Connection, named: _Named) -> _Way:
    relations, notes = _every_relation(named, "postgres")
    user = _quoted(connection.user or DEFAULT_USER)
    split = [_schema_and_name(relation) for relation in relations]
    schemas = dict.fromkeys(schema or "public" for schema, _ in split)
    statements = [f"GRANT CONNECT ON DATABASE {_quoted(connection.database)} TO {user};"] if connection.database else []
    statements += [f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {user};" for schema in schemas]
    statements += [f"GRANT SELECT ON {_dotted(schema, name)} TO {user};" for schema, name in split]
    if any(not schema for schema, _ in split):
        notes.append("a relation without a schema is looked for on the user's search path, then in `public`")
    notes.append("where row-level security hides rows from this user, it needs BYPASSRLS as well")
    return statements, "sql", notes


def _mysql(connection: Connection, named: _Named) -> _Way:
    relations, notes = _every_relation(named, "mysql")
    account = f"{_literal(connection.user or DEFAULT_USER)}@'%'"
    split = [_schema_and_name(relation) for relation in relations]
    statements = [
        f"GRANT SELECT ON {_dotted(schema or connection.database, name, quote='`')} TO {account};"
        for schema, name in split
    ]
    notes.append("'%' stands for the hosts that the auditor connects from; name them where they are known")
    return statements, "sql", notes


def _standard(connection: Connection, named: _Named) -> _Way:
    relations, notes = _every_relation(named, "")
    user = _quoted(connection.user or DEFAULT_USER)
    statements = [f"GRANT SELECT ON {_dotted(*_schema_and_name(relation))} TO {user};" for relation in relations]
    return statements, "sql", [*notes, f"statements for {connection.url.dialect} are not run in the project's tests"]


def _database_file(connection: Connection, named: _Named) -> _Way:
    del named
    path = shlex.quote(str(connection.path))
    user = shlex.quote(connection.user or DEFAULT_USER)
    notes = [
        "its user must reach the file through every directory above it",
        "while somebody writes to a SQLite file in WAL mode, the files -wal and -shm beside it must be readable too",
    ]
    return [f"setfacl -m u:{user}:r {path}"], "sh", notes if connection.url.dialect == "sqlite" else notes[:1]


def _directory(connection: Connection, named: _Named) -> _Way:
    user = shlex.quote(DEFAULT_USER)
    root = connection.path
    if root is None:
        return [], "sh", []
    files = [root / relation for relation in named.relations]
    directories = dict.fromkeys(
        above for file in files for above in (file.parent, *file.parent.parents) if root in (above, *above.parents)
    )
    statements = [f"setfacl -m u:{user}:rx {shlex.quote(str(path))}" for path in sorted(directories)]
    statements += [f"setfacl -m u:{user}:r {shlex.quote(str(file))}" for file in files]
    return (
        statements,
        "sh",
        ["files that are written anew need the right anew: `setfacl -d` on their directory gives it"],
    )


_WAYS: Mapping[str, Callable[[Connection, _Named], _Way]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _database_file,
    "duckdb": _database_file,
    "file": _directory,
}


def _every_relation(named: _Named, dialect: str) -> tuple[list[str], list[str]]:
    """The relations of a connection, those within owners' queries too, and what could not be told."""
    relations = dict(named.relations)
    notes = []
    for sql in named.queries:
        found = _relations_of(sql, dialect)
        if found is None:
            notes.append("an owner's query could not be taken apart: grant SELECT on what it reads")
        relations |= dict.fromkeys(found or ())
    return list(relations), notes


def _relations_of(sql: str, dialect: str) -> list[str] | None:
    """The relations that a query reads, or None where nobody can tell."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(sql, dialect=dialect or None)
    except SqlglotError:
        return None
    local = {each.alias_or_name for each in tree.find_all(exp.CTE)}
    tables = [table for table in tree.find_all(exp.Table) if table.db or table.name not in local]
    return sorted(
        {
            f"{_folded(table.args['db'], dialect)}.{_folded(table.this, dialect)}"
            if table.db
            else _folded(table.this, dialect)
            for table in tables
        }
    )


def _folded(identifier: object, dialect: str) -> str:
    """A name as the store understands it: PostgreSQL folds what is not quoted."""
    name = str(getattr(identifier, "name", identifier))
    is_quoted = bool(getattr(identifier, "quoted", False))
    return name.lower() if dialect == "postgres" and not is_quoted else name


def _schema_and_name(relation: str) -> tuple[str, str]:
    schema, dot, name = relation.partition(".")
    return (schema, name) if dot else ("", relation)


def _dotted(schema: str, name: str, *, quote: str = '"') -> str:
    return ".".join(_quoted(part, quote) for part in (schema, name) if part)


def _quoted(name: str, quote: str = '"') -> str:
    return quote + name.replace(quote, quote * 2) + quote


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def as_script(grants: Iterable[Grants]) -> Iterator[str]:
    """The statements as lines to review and run, each store's below a comment that names it."""
    for position, one in enumerate(grants):
        comment = "#" if one.store == "sh" else "--"
        if position:
            yield ""
        yield f"{comment} {one.connection}: {one.url}"
        yield from (f"{comment} {note}" for note in one.notes)
        yield from one.statements
