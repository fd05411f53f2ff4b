"""Where in a record its schema is named."""

from __future__ import annotations

import pytest

from auditor.feeds.shape import BadValueError
from auditor.feeds.wire import Encoded, Naming, SchemaName, split

GUID = "89791762-2336-4186-9674-299b90a802e2"
GUID_BYTES = bytes.fromhex(GUID.replace("-", ""))


def test_confluents_format_has_an_id_of_four_bytes() -> None:
    found = split(b"\0\0\0\1\0data", (), "value", "confluent")
    assert found == Encoded(SchemaName(Naming.ID, "256"), b"data")


def test_confluents_format_may_begin_with_a_guid() -> None:
    found = split(b"\1" + GUID_BYTES + b"data", (), "key", "confluent")
    assert found == Encoded(SchemaName(Naming.GUID, GUID), b"data")


def test_a_header_wins_over_the_payload_and_the_last_of_several_counts() -> None:
    headers = (("__value_schema_id", b"\0\0\0\0\1"), ("x", None), ("__value_schema_id", b"\1" + GUID_BYTES))
    assert split(b"\0\0\0\0\7data", headers, "value", "confluent") == Encoded(
        SchemaName(Naming.GUID, GUID), b"\0\0\0\0\7data"
    )
    assert split(b"\0\0\0\0\7data", headers, "key", "confluent").schema == SchemaName(Naming.ID, "7")


def test_apicurios_eight_bytes_are_read_where_the_settings_say_so() -> None:
    found = split(b"\0" + (2**40).to_bytes(8, "big") + b"data", (), "value", "apicurio-8byte")
    assert found == Encoded(SchemaName(Naming.GLOBAL_ID, str(2**40)), b"data")


def test_an_id_of_eight_bytes_under_confluents_format_is_a_hint_at_the_setting() -> None:
    with pytest.raises(BadValueError, match="apicurio-8byte"):
        split(b"\0" + (7).to_bytes(8, "big") + b"data", (), "value", "confluent")


@pytest.mark.parametrize("naming", [Naming.GLOBAL_ID, Naming.CONTENT_ID])
def test_apicurios_headers_name_a_schema_by_either_id(naming: Naming) -> None:
    headers = ((f"apicurio.value.{naming.value}", (9).to_bytes(8, "big")),)
    assert split(b"data", headers, "value", "confluent") == Encoded(SchemaName(naming, "9"), b"data")


def test_json_names_nothing_and_never_begins_as_a_format_does() -> None:
    for text in (b"{}", b'"x"', b" 1", b"[", b"null"):
        assert split(text, (), "key", "confluent") == Encoded(None, text)
        assert split(text, (), "key", None) == Encoded(None, text)


@pytest.mark.parametrize(
    ("payload", "headers", "wire", "message"),
    [
        (b"", (), "confluent", "no bytes"),
        (b"\0\0\0\7", (), "confluent", "within the id"),
        (b"\1" + GUID_BYTES[:-1], (), "confluent", "within the GUID"),
        (b"\0\0\0\0\0\0\0", (), "apicurio-8byte", "8 bytes"),
        (b"\0\0\0\0\7x", (), None, "no schema registry"),
        (b"x", (("__value_schema_id", b"\0\0\0\7"),), "confluent", "within the id"),
        (b"x", (("__value_schema_id", b"\0\0\0\0\7\7"),), "confluent", "neither an id nor a GUID"),
        (b"x", (("__value_schema_id", b"{}"),), "confluent", "neither an id nor a GUID"),
        (b"x", (("apicurio.value.globalId", b"\7"),), "confluent", "8 bytes"),
        (b"x", (("apicurio.value.encoding", b"JSON"),), "confluent", "binary encoding"),
    ],
)
def test_what_begins_as_no_format_is_told(
    payload: bytes, headers: tuple[tuple[str, bytes | None], ...], wire: str | None, message: str
) -> None:
    with pytest.raises(BadValueError, match=message):
        split(payload, headers, "value", wire)  # type: ignore[arg-type]  # a parameter
