"""Whether an owner's `query` is one SELECT that writes nothing, as far as its words show.

The stores are read in read-only transactions as well; this check says so before anything is connected, with the place.
"""

from __future__ import annotations

TEXT_CHARACTERS_MAX = 100_000
"""Longest query; more is a program."""

_FIRST_WORDS = frozenset(["SELECT", "WITH", "VALUES", "TABLE", "FROM"])
_WRITING_WORDS = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "TRUNCATE", "CALL", "EXECUTE", "EXEC"])
_CHANGING_WORDS = frozenset(["DROP", "CREATE", "ALTER", "GRANT", "REVOKE"])


def query_problem(sql: str) -> str:
    """What is wrong with a query, or an empty string."""
    if len(sql) > TEXT_CHARACTERS_MAX:
        return f"the query has {len(sql)} characters; at most {TEXT_CHARACTERS_MAX} are read"
    words = _words(sql)
    if words is None:
        return "the query cannot be read: a quoted text or name does not end"
    while words and words[-1] == ";":
        words.pop()
    if not words:
        return "the query is empty; expected one SELECT"
    if ";" in words:
        return "the query holds several statements; expected one SELECT"
    first = next((word for word in words if word != "("), "")
    if first not in _FIRST_WORDS:
        return f"the query begins with {first}; expected one SELECT"
    writing = next((word for word in words if word in _WRITING_WORDS | _CHANGING_WORDS), "")
    return (
        f"the query holds {writing}, which may write or lock; a column of that name must be quoted" if writing else ""
    )


def _words(sql: str) -> list[str] | None:
    """Words and signs in upper case, without texts and quoted names; None where the query cannot be taken apart."""
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError
    from sqlglot.tokenizer_core import TokenType

    dialect = "mysql" if "`" in sql else ""
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(sql)
    except SqlglotError:
        return None
    return [token.text.upper() for token in tokens if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)]
