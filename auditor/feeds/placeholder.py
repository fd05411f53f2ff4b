"""What a connector writes in the place of a large value that a change left as it was.

PostgreSQL does not send such values again.  The connector puts a configured text into the column (`unavailable.value.
placeholder`), in the shape that the column's type needs.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass

DEFAULT_PLACEHOLDER = "__debezium_unavailable_value"

_HEX = "hex:"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The placeholder in each of its shapes.

    Attributes:
        text: In columns of text, and in bytes that the connector writes as text.
        octets: In columns of bytes.
        items: In arrays, as each carrier has them: of texts, bytes, integers and uuids.
    """

    text: str
    octets: bytes
    items: tuple[list[object], ...]

    def is_in(self, value: object) -> bool:
        """Whether an array or a map holds the placeholder in the place of its elements."""
        if isinstance(value, dict):
            return value == {self.text: self.text}
        return value in self.items


def placeholder(setting: str = DEFAULT_PLACEHOLDER) -> Placeholder:
    """The placeholder that a connector with this setting writes.

    Args:
        setting: `unavailable.value.placeholder`; after `hex:`, its octets in hexadecimal digits.
    """
    octets = bytes.fromhex(setting.removeprefix(_HEX)) if setting.startswith(_HEX) else setting.encode()
    text = octets.decode("utf-8", "replace")
    digest = hashlib.md5(octets, usedforsecurity=False).digest()
    items: tuple[list[object], ...] = (
        [text],
        [octets],
        [base64.b64encode(octets).decode()],
        list(octets),
        [str(uuid.UUID(bytes=digest, version=3))],
    )
    return Placeholder(text, octets, items)
