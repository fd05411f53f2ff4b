"""Reads an expression's text into its tree.

SQLGlot takes the text apart and knows which operator binds tighter.  Before it parses, every token is held against the
closed set below, and what it returns is converted node by node: a node that we do not know is refused.  So the language
is what this file lists, whatever else SQLGlot understands.

Words that are SQL keywords elsewhere (`date`, `order`, `key`) are plain names here, since fields are called that.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from contracts import expression_tree as tree
from contracts.expression_tree import FUNCTIONS, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT_CHARACTERS_MAX = 20_000
"""Longest expression; a rule that a person can read is far shorter."""
DEPTH_MAX = 100
"""Deepest tree; each level costs a few in the database, which stops at 1000. A row of ANDs or ORs is one level."""
NUMBER_DIGITS_MAX = 38
"""Most digits of a number: what a decimal of the comparison engine holds."""

_SYMBOLS = frozenset(["(", ")", ",", "+", "-", "*", "/", "=", "<>", "!=", "<", "<=", ">", ">="])
_KEYWORDS = frozenset(
    ["AND", "OR", "NOT", "IS", "NULL", "IN", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "END", "TRUE", "FALSE"]
)
_FOREIGN_WORDS = frozenset(
    [
        "ALL",
        "ANY",
        "AS",
        "CAST",
        "COLLATE",
        "DELETE",
        "DISTINCT",
        "DROP",
        "ESCAPE",
        "EXCEPT",
        "EXISTS",
        "FROM",
        "GLOB",
        "GROUP",
        "HAVING",
        "ILIKE",
        "INSERT",
        "INTERSECT",
        "INTERVAL",
        "ISNULL",
        "JOIN",
        "LIKE",
        "LIMIT",
        "NOTNULL",
        "OVER",
        "REGEXP",
        "RLIKE",
        "SELECT",
        "SIMILAR",
        "UNION",
        "UPDATE",
        "USING",
        "WHERE",
        "WITH",
        "XOR",
    ]
)
"""Words that start something which this language lacks; as a field's name they must be quoted."""
_WORD = re.compile(r"[^\W\d]\w*\Z")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


class ExpressionSyntaxError(ValueError):
    """The text is no expression of the language; the message says where (`at character N`) and why."""


class _PlainParser(Parser):
    """SQLGlot's parser without its functions: a call stays what was written."""

    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {}
    NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, Any]] = {}


def parse(text: str) -> Node:
    """Read one expression.

    Raises:
        ExpressionSyntaxError: The text is empty, too long, or not of the language.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ExpressionSyntaxError(f"it has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are read")
    tokens = list(_checked_tokens(text))
    if not tokens:
        raise ExpressionSyntaxError("it is empty")
    try:
        node = _parsed(tokens, text)
    except RecursionError:
        node = None
    if node is None or _depth(node) > DEPTH_MAX:
        raise ExpressionSyntaxError(f"it is nested deeper than {DEPTH_MAX} levels")
    return node


def _parsed(tokens: list[Token], text: str) -> Node:
    try:
        found = _PlainParser().parse(tokens, text)
    except SqlglotError as error:
        raise ExpressionSyntaxError(_why_unparsed(error, tokens)) from None
    if len(found) != 1 or found[0] is None:
        raise ExpressionSyntaxError("it must be one expression")
    node = _convert(found[0])
    _check_spelling(tokens, node)
    return node


def _check_spelling(tokens: list[Token], node: Node) -> None:
    """Hold what was understood against what was written, word by word.

    SQLGlot forgives: it takes `a BETWEEN 1 2` and makes something of it.  A rule must not be guessed at.
    """
    written = Counter(word for token in tokens if (word := _spelt(token)))
    understood = Counter(_spelling(node))
    wrong = next(iter([*(written - understood), *(understood - written)]), None)
    if wrong:
        raise ExpressionSyntaxError(f"it cannot be read; {wrong} is missing or too many")


def _spelt(token: Token) -> str:
    match token.token_type:
        case TokenType.STRING:
            return f"the text {token.text!r}"
        case TokenType.NUMBER:
            return _number_word(Decimal(token.text))
        case TokenType.IDENTIFIER:
            return f"the name {token.text!r}"
        case TokenType.L_PAREN | TokenType.R_PAREN:
            return ""
        case _:
            return {"!=": "<>"}.get(token.text, token.text.upper())


def _number_word(value: Decimal) -> str:
    return f"the number {value}"


def _spelling(root: Node) -> Iterator[str]:
    """The words and signs that an expression is written with, parentheses left out."""
    pending = [root]
    while pending:
        node = pending.pop()
        pending += tree.children(node)
        yield from _own_spelling(node)


def _own_spelling(node: Node) -> list[str]:  # noqa: C901, PLR0911, PLR0912 - one line a node
    match node:
        case tree.Name(name):
            return [f"the name {name!r}"]
        case tree.Number(value):
            return ["-", _number_word(-value)] if value < 0 else [_number_word(value)]
        case tree.Text(text):
            return [f"the text {text!r}"]
        case tree.Truth(value):
            return ["TRUE" if value else "FALSE"]
        case tree.Null():
            return ["NULL"]
        case tree.Arithmetic(operator) | tree.Comparison(operator):
            return [operator]
        case tree.Negation():
            return ["-"]
        case tree.Connection(operator, parts):
            return [operator] * (len(parts) - 1)
        case tree.Not():
            return ["NOT"]
        case tree.IsNull():
            return ["IS", "NULL"]
        case tree.In(_, items):
            return ["IN", *[","] * (len(items) - 1)]
        case tree.Between():
            return ["BETWEEN", "AND"]
        case tree.Case(_, branches, default):
            return ["CASE", *["WHEN", "THEN"] * len(branches), *(["ELSE"] if default is not None else []), "END"]
        case tree.Call(function, arguments):
            return [function.upper(), *[","] * (len(arguments) - 1)]


def _depth(root: Node) -> int:
    level, depth = [root], 0
    while level:
        level = [child for node in level for child in tree.children(node)]
        depth += 1
    return depth


def _why_unparsed(error: SqlglotError, tokens: list[Token]) -> str:
    details = getattr(error, "errors", None) or [{}]
    word = details[0].get("highlight") or ""
    column = details[0].get("col")
    at = next((t.start + 1 for t in tokens if t.line == details[0].get("line") and t.col == column), 0)
    where = f" (at character {at})" if at else ""
    return f"it cannot be read near {word!r}{where}; an operator, operand or parenthesis is missing or too many"


# Tokens


def _checked_tokens(text: str) -> Iterator[Token]:
    try:
        tokens = Tokenizer().tokenize(text)
    except SqlglotError:
        raise ExpressionSyntaxError(
            "a quoted text or name does not end; a quote within quotes is written twice"
        ) from None
    end = 0
    for index, token in enumerate(tokens):
        _refuse_between(text, end, token.start)
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        yield _checked(token, text, following)
        end = token.end + 1
    _refuse_between(text, end, len(text))


def _refuse_between(text: str, start: int, end: int) -> None:
    """Whatever the tokenizer skipped must be white space: comments hide things."""
    skipped = text[start:end]
    if skipped.strip():
        at = start + 1 + len(skipped) - len(skipped.lstrip())
        raise ExpressionSyntaxError(
            f"comments are not part of the language (at character {at}); write the meaning beside the rule"
        )


def _checked(token: Token, text: str, following: Token | None) -> Token:
    written = text[token.start : token.end + 1]
    if token.token_type is TokenType.STRING:
        return _checked_string(token, written)
    if token.token_type is TokenType.IDENTIFIER and written.startswith('"'):
        return _checked_identifier(token)
    if token.token_type is TokenType.NUMBER:
        return _checked_number(token, written)
    if written in _SYMBOLS or written.upper() in _KEYWORDS:
        return token
    return _checked_word(token, written, following)


def _checked_string(token: Token, written: str) -> Token:
    if not written.startswith("'"):
        raise ExpressionSyntaxError(f"{written} is no plain text (at character {token.start + 1}); write it as '…'")
    if "\0" in token.text:
        raise ExpressionSyntaxError(f"a text cannot hold the character NUL (at character {token.start + 1})")
    return token


def _checked_identifier(token: Token) -> Token:
    if not token.text or "\0" in token.text:
        raise ExpressionSyntaxError(
            f"a quoted name is empty or holds the character NUL (at character {token.start + 1})"
        )
    return token


def _checked_number(token: Token, written: str) -> Token:
    if not _NUMBER.match(written):
        raise ExpressionSyntaxError(
            f"{written!r} is no plain number (at character {token.start + 1}); write it as in 0.5 or 1000"
        )
    if len(written.replace(".", "").lstrip("0")) > NUMBER_DIGITS_MAX:
        raise ExpressionSyntaxError(
            f"the number at character {token.start + 1} has more than {NUMBER_DIGITS_MAX} digits, "
            "which is what decimals can be computed with"
        )
    return token


def _checked_word(token: Token, written: str, following: Token | None) -> Token:
    at = token.start + 1
    called = following is not None and following.text == "(" and following.token_type is TokenType.L_PAREN
    if called and _WORD.match(written):
        if written.lower() not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ExpressionSyntaxError(
                f"{written}(…) is no function of the language (at character {at}); expected one of {known}"
            )
        return _retyped(token, TokenType.VAR)
    if written == ".":
        raise ExpressionSyntaxError(
            f"qualified names are not part of the language (at character {at}); use the field's name alone"
        )
    if not _WORD.match(written) or written.upper() in _FOREIGN_WORDS:
        hint = f'; a field of that name is written "{written}"' if _WORD.match(written) else ""
        raise ExpressionSyntaxError(f"{written!r} is not part of the language (at character {at}){hint}")
    return _retyped(token, TokenType.IDENTIFIER)


def _retyped(token: Token, token_type: TokenType) -> Token:
    return Token(token_type, token.text, token.line, token.col, token.start, token.end)


# Nodes


def _convert(node: exp.Expr | None) -> Node:
    if node is None:
        raise ExpressionSyntaxError("an operand is missing")
    for kinds, converter in _CONVERTERS:
        if isinstance(node, kinds):
            return converter(node)
    raise ExpressionSyntaxError(f"{_excerpt(node)} is not part of the language")


def _excerpt(node: exp.Expr) -> str:
    written = node.sql()
    return written if len(written) <= 60 else written[:57] + "…"  # noqa: PLR2004 - as much as a line shows


def _only(node: exp.Expr, *arguments: str) -> None:
    """Refuse a node with more to it than we understand (`BETWEEN SYMMETRIC`)."""
    more = [name for name, value in node.args.items() if name not in arguments and value not in (None, False, [], "")]
    if more:
        raise ExpressionSyntaxError(f"{_excerpt(node)} is not part of the language")


def _name(node: exp.Expr) -> Node:
    _only(node, "this")
    identifier = node.this
    if not isinstance(identifier, exp.Identifier):
        raise ExpressionSyntaxError(f"{_excerpt(node)} is no field name")
    return tree.Name(identifier.name, at=_at(identifier))


def _at(node: exp.Expr) -> int:
    start = node.meta.get("start")
    return start + 1 if isinstance(start, int) else 0


def _literal(node: exp.Expr) -> Node:
    return tree.Text(str(node.this)) if node.args["is_string"] else tree.Number(Decimal(str(node.this)))


def _binary_chain(
    node: exp.Expr, operators: dict[type[exp.Expr], str], make: Callable[[str, Node, Node], Node]
) -> Node:
    """Turn a left-leaning chain into nodes without recursing along it."""
    links: list[tuple[str, exp.Expr]] = []
    while type(node) in operators:
        _only(node, "this", "expression")
        links.append((operators[type(node)], node.expression))
        node = node.this
    result = _convert(node)
    for operator, right in reversed(links):
        result = make(operator, result, _convert(right))
    return result


def _comparison(node: exp.Expr) -> Node:
    return _binary_chain(node, _COMPARISONS, tree.Comparison)


def _arithmetic(node: exp.Expr) -> Node:
    return _binary_chain(node, _ARITHMETIC, tree.Arithmetic)


def _connection(node: exp.Expr) -> Node:
    kind = type(node)
    parts: list[exp.Expr] = []
    pending: list[exp.Expr] = [node]
    while pending:
        part = pending.pop()
        if type(part) is kind:
            _only(part, "this", "expression")
            pending += [part.expression, part.this]
        else:
            parts.append(part)
    operator = "AND" if kind is exp.And else "OR"
    return tree.Connection(operator, tuple(_convert(part) for part in parts))


def _not(node: exp.Expr) -> Node:
    return tree.Not(_convert(node.this))


def _negation(node: exp.Expr) -> Node:
    operand = _convert(node.this)
    if isinstance(operand, tree.Number) and operand.value > 0:
        return tree.Number(-operand.value)
    return tree.Negation(operand)


def _is_null(node: exp.Expr) -> Node:
    _only(node, "this", "expression")
    if not isinstance(node.expression, exp.Null):
        raise ExpressionSyntaxError("after IS only NULL and NOT NULL are part of the language")
    return tree.IsNull(_convert(node.this))


def _in(node: exp.Expr) -> Node:
    if node.args.get("field"):
        raise ExpressionSyntaxError("after IN values in parentheses are expected, as in status IN ('paid', 'shipped')")
    _only(node, "this", "expressions")
    items = node.expressions
    if not items:
        raise ExpressionSyntaxError("the parentheses after IN are empty")
    return tree.In(_convert(node.this), tuple(_convert(item) for item in items))


def _between(node: exp.Expr) -> Node:
    _only(node, "this", "low", "high")
    return tree.Between(_convert(node.this), _convert(node.args["low"]), _convert(node.args["high"]))


def _case(node: exp.Expr) -> Node:
    _only(node, "this", "ifs", "default")
    branches = tuple((_convert(branch.this), _convert(branch.args.get("true"))) for branch in node.args["ifs"])
    if not branches:
        raise ExpressionSyntaxError("CASE has no WHEN")
    operand, default = node.args.get("this"), node.args.get("default")
    return tree.Case(_convert(operand) if operand else None, branches, _convert(default) if default else None)


def _call(node: exp.Expr) -> Node:
    _only(node, "this", "expressions")
    function = str(node.this).lower()
    least, most = FUNCTIONS[function]
    arguments = node.expressions
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        noun = "argument" if most == 1 else "arguments"
        raise ExpressionSyntaxError(
            f"{function}(…) takes {wanted} {noun}, not {len(arguments)} (at character {_at(node)})"
        )
    return tree.Call(function, tuple(_convert(argument) for argument in arguments), at=_at(node))


_CONVERTERS: tuple[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[Any], Node]], ...] = (
    (exp.Paren, lambda node: _convert(node.this)),
    (exp.Column, _name),
    (exp.Literal, _literal),
    (exp.Boolean, lambda node: tree.Truth(bool(node.this))),
    (exp.Null, lambda _node: tree.Null()),
    (tuple(_COMPARISONS), _comparison),
    (tuple(_ARITHMETIC), _arithmetic),
    ((exp.And, exp.Or), _connection),
    (exp.Not, _not),
    (exp.Neg, _negation),
    (exp.Is, _is_null),
    (exp.In, _in),
    (exp.Between, _between),
    (exp.Case, _case),
    (exp.Anonymous, _call),
)
