"""HTML that cannot be broken out of: every text is escaped unless it is markup already."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from auditor.reports.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

Attribute = str | int | bool | None


class Html(str):
    """Text that is markup; made by this module alone."""

    __slots__ = ()


def element(name: str, /, *children: str | Html | None, **attributes: Attribute) -> Html:
    """One element with an end tag.

    Args:
        name: Its name.
        children: Markup as it is, other text escaped and made visible; None is left out.
        attributes: By name, `_` standing for `-` and a `_` at the end dropped (`class_`).  False and None are left out,
            True stands without a value.
    """
    return Html(f"<{name}{_attributes(attributes)}>{joined(children)}</{name}>")


def void(name: str, /, **attributes: Attribute) -> Html:
    """One element without content and end tag."""
    return Html(f"<{name}{_attributes(attributes)}/>")


def joined(children: Iterable[str | Html | None]) -> Html:
    """Pieces of markup and text one after the other."""
    return Html("".join(child if isinstance(child, Html) else text(child) for child in children if child is not None))


def text(content: str) -> Html:
    """Text as markup: escaped, with what would not be seen made visible."""
    return Html(escape(visible(content)))


def style_element(css: str) -> Html:
    """A style sheet of ours; nothing of a report's values may be in it."""
    return Html(f"<style>{css}</style>")


def script_element(javascript: str) -> Html:
    """A script of ours; nothing of a report's values may be in it."""
    return Html(f"<script>{javascript}</script>")


def data_element(identity: str, data: object) -> Html:
    """Data for a script, which does not run.

    `<`, `>` and `&` are written as escapes, since a page's parser looks for `</script` and `<!--` within it.
    """
    encoded = json.dumps(data, separators=(",", ":"))
    safe = encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Html(f'<script type="application/json" id="{escape(identity)}">{safe}</script>')


def _attributes(attributes: dict[str, Attribute]) -> str:
    parts = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        spelled = name.rstrip("_").replace("_", "-")
        parts.append(f" {spelled}" if value is True else f' {spelled}="{text(str(value))}"')
    return "".join(parts)
