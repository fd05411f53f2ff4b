"""JSON as strictly as its standard has it: one meaning for a text, or none.

Names that stand twice, NaN, lone surrogates, other encodings than UTF-8 and what comes after the end are errors:
readers disagree about each of them.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from auditor.feeds.shape import BadValueError

_LONE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Where an escape may be half of a character."""


def parse(raw: bytes) -> Any:
    """The value; integers as `int`, other numbers as `Decimal`.

    Raises:
        BadValueError: It is not JSON; the message names the fault and its place, never the text.
    """
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if _LONE.search(raw):
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except json.JSONDecodeError as error:
        raise BadValueError(f"no JSON: {error.msg.lower()} at character {error.pos}") from None
    except UnicodeError:
        raise BadValueError("no JSON: the text is not UTF-8, or has half a character") from None
    except RecursionError:
        raise BadValueError("no JSON: nested too deeply") from None
    except (InvalidOperation, ValueError) as error:
        raise BadValueError(
            str(error) if isinstance(error, BadValueError) else "no JSON: a number is too long"
        ) from None
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadValueError("no JSON: a name stands twice in an object")
    return result


def _constant(_name: str) -> Any:
    raise BadValueError("no JSON: NaN and Infinity are none")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Decimal, parse_constant=_constant)
