"""`${NAME}` and `${file:/path}` put in exactly what they stand for, or say why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.interpolation import Interpolation, InterpolationError
from auditor.store_url import parse_store_url

HERE = Path("/srv")


def expand(text: str, **environment: str) -> str:
    return Interpolation(environment, HERE).expand(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoney${A}z"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ $$ {A}", "$A $ $$ {A}"),
        ("", ""),
    ],
)
def test_references_are_replaced_once_and_can_be_escaped(text: str, expected: str) -> None:
    assert expand(text, A="one", B="${A}") == expected


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${a b}", "${A:-x}", "${1A}", "${${A}}", "a${é}"])
def test_what_is_no_reference_is_an_error(text: str) -> None:
    with pytest.raises(InterpolationError, match=r"a reference is \$\{NAME\} or \$\{file:/path\}"):
        expand(text, A="one")


def test_an_unset_variable_is_named_and_an_empty_one_is_empty() -> None:
    with pytest.raises(InterpolationError, match="the environment variable MISSING is not set"):
        expand("${MISSING}")
    assert expand("<${EMPTY}>", EMPTY="") == "<>"


def test_secret_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a secret\r\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    interpolation = Interpolation({}, tmp_path)
    assert interpolation.expand("<${file:plain}>") == "<a secret>"
    assert interpolation.expand(f"<${{file:{tmp_path}/plain}}>") == "<a secret>"
    for name, told in [
        ("binary", "is not UTF-8"),
        ("large", "is larger than"),
        ("none", "No such file"),
        (".", "Is a directory"),
        ("plain/x", "Not a directory"),
        ("a\0b", "not a path"),
    ]:
        with pytest.raises(InterpolationError, match=told):
            interpolation.expand(f"${{file:{name}}}")


@given(st.text(st.characters(codec="utf-8", exclude_characters="%"), min_size=1))
def test_a_password_with_any_character_survives_inside_a_url(password: str) -> None:
    """But for %, which is taken for percent-encoding."""
    url = Interpolation({"P": password}, HERE).expand_url("postgresql://auditor:${P}@db:5432/orders")
    parsed = parse_store_url(url, directory=HERE)
    assert parsed.password is not None
    assert parsed.password.get_secret_value() == password
    assert (parsed.user, parsed.host, parsed.port, parsed.database) == ("auditor", "db", 5432, "orders")


def test_other_parts_of_a_url_are_put_in_as_they_are() -> None:
    environment = {"URL": "mysql://u:p%2F@h/d", "HOST": "db:1/x", "LOGIN": "u:p/w"}
    interpolation = Interpolation(environment, HERE)
    assert interpolation.expand_url("${URL}") == "mysql://u:p%2F@h/d"
    assert interpolation.expand_url("mysql://${HOST}") == "mysql://db:1/x"
    assert interpolation.expand_url("mysql://${LOGIN}@h/d") == "mysql://u:p%2Fw@h/d"
    assert interpolation.expand_url("file:./${HOST}") == "file:./db:1/x"
