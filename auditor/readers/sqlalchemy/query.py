"""Whether an owner's query is one SELECT that stays within the parentheses it is put in, in any dialect.

Where a database has read-only transactions it refuses writes by itself; not all have them, and some drivers run several
statements at once.  So nothing is sent that is more than one statement as the dialect's own tokens tell.
"""

from __future__ import annotations

from contracts.errors import StoreError

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
"""SQLGlot's names where they differ from SQLAlchemy's."""

_BEGINS = frozenset({"SELECT", "WITH", "VALUES", "("})


def one_select(query: str, dialect: str, dataset: str) -> str:
    """The query without a closing semicolon.

    Raises:
        StoreError: It is more than one statement, or no SELECT.
    """
    stripped = query.strip().rstrip(";").rstrip()
    objection = _objection(stripped, dialect)
    if objection:
        message = f"reading {dataset}: the query was not sent: {objection}"
        raise StoreError(message, hint="owner.query.sql is one SELECT that only reads")
    return stripped


def _objection(query: str, dialect: str) -> str:
    """Why a query is refused, or an empty string."""
    from sqlglot import TokenType
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError

    try:
        name = _DIALECTS.get(dialect, dialect)
        tokens = Dialect.get_or_raise(name if Dialect.get(name) else None).tokenize(query)
    except SqlglotError:
        return "it cannot be taken apart"
    if not tokens or tokens[0].text.upper() not in _BEGINS:
        return "it does not begin with SELECT, WITH or VALUES"
    depth = 0
    for token in tokens:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if token.token_type is TokenType.SEMICOLON:
            return "it is more than one statement"
        if depth < 0:
            return "it closes a parenthesis that it did not open"
    return "it leaves a parenthesis open" if depth else ""
