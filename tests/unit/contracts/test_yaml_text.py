"""YAML is read with the place of every value, and nothing of it is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Place
from contracts.yaml_text import DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, YamlProblemError, parse_yaml, read_yaml

if TYPE_CHECKING:
    from pathlib import Path


def _refusal(text: str) -> str:
    with pytest.raises(YamlProblemError) as caught:
        parse_yaml(text, "a.yaml")
    problem = caught.value.problem
    return f"{problem.place}: {problem.message}"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("2026-01-31", "2026-01-31"),
        ("12:30:45", "12:30:45"), ("1_000", "1_000"), ("0o17", "0o17"), ("0x1F", "0x1F"), (".inf", ".inf"), ("=", "="),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("7", 7), ("-7", -7), ("007", 7),
        ("0.5", 0.5), ("1e3", 1000.0), ('"7"', "7"), ("'true'", "true"), ('""', ""), ("5m", "5m"), ("| \n  x", "x"),
    ],
)  # fmt: skip
def test_scalars_mean_what_they_look_like(written: str, value: object) -> None:
    """After YAML 1.2: the Norway problem, sexagesimal numbers and dates do not exist."""
    found = parse_yaml(f"a: {written}", "a.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_the_text_that_stands_there() -> None:
    text = parse_yaml('no: 1\n2026-01-31: 2\n1: 3\ntrue: 4\n"a b": 5\nnull: 6\n', "a.yaml")
    assert list(text.data) == ["no", "2026-01-31", "1", "true", "a b", "null"]


def test_every_value_knows_its_place() -> None:
    text = parse_yaml("a: 1\nb:\n  - x\n  - {c: 2}\n", "a.yaml")
    assert text.place(("a",)) == Place("a.yaml", 1, 1)
    assert text.place(("b",)) == Place("a.yaml", 2, 1)
    assert text.place(("b", 0)) == Place("a.yaml", 3, 5)
    assert text.place(("b", 1, "c")) == Place("a.yaml", 4, 6)
    assert text.place(("b", 1, "missing", "deep")) == Place("a.yaml", 4, 5)
    assert text.place(("nothing",)) == Place("a.yaml", 1)


def test_a_key_that_stands_twice_is_told_with_both_places() -> None:
    text = parse_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", "a.yaml")
    assert [str(problem) for problem in text.problems] == [
        "a.yaml:2: error: the key `c` stands twice, first in line 2",
        "a.yaml:3: error: the key `a` stands twice, first in line 1",
    ]
    assert text.data == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("? [a, b]\n: 1\n", "a.yaml:1: error: a key must be a single value, found a list"),
        ("x: 1\n<<: {a: 1}\n", "a.yaml:2: error: merge keys (`<<`) are not part of the contract language"),
        ('"": 1\n', "a.yaml:1: error: a key is empty"),
    ],
)
def test_odd_keys_are_told(text: str, wanted: str) -> None:
    assert [str(problem) for problem in parse_yaml(text, "a.yaml").problems] == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "a.yaml:1: the file is empty; expected a contract"),
        ("# only a comment\n", "a.yaml:1: the file is empty"),
        ("---\n", "a.yaml:1: the file is empty"),
        ("- a\n", "a.yaml:1: expected a mapping such as `entity: order`, found a list"),
        ("just text\n", "a.yaml:1: expected a mapping such as `entity: order`, found a single value"),
        ("a: 1\n\tb: 2\n", "a.yaml:2: is no YAML: a tab cannot indent a line; use blanks"),
        ("a:\n  b: 1\n c: 2\n", "a.yaml:3: is no YAML:"),
        ("a: [1, 2\nb: 3\n", "a.yaml:2: is no YAML: did not find expected ',' or ']'"),
        ('a: "unended\n', "is no YAML: found unexpected end of stream"),
        ("a: b: c\n", "a.yaml:1: is no YAML: mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: holds more than one document (`---`); write one contract a file"),
        ("a: *x\n", "a.yaml:1: has the alias *x, but nothing before is called &x"),
        ("a: &x [*x]\n", "a.yaml:1: has the alias *x within itself"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "a.yaml:1: has the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        ("a: !!str 1\n", "a.yaml:1: has the tag"),
        ("a: 1\nb: \x07\n", "a.yaml:2: holds the control character U+0007, which YAML lacks"),
        ("a: \0\n", "a.yaml:1: holds the control character U+0000"),
    ],
)
def test_what_is_no_yaml_is_one_clear_problem_with_its_line(text: str, wanted: str) -> None:
    assert wanted in _refusal(text)


def test_aliases_are_lawful_within_limits() -> None:
    assert parse_yaml("a: &x {b: [1]}\nc: *x\n", "a.yaml").data == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    """The billion laughs: ten levels of ten aliases each would be ten thousand million values."""
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert f"has more than {NODES_MAX} values, those that aliases repeat included" in _refusal("\n".join(levels))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_does_not_exhaust_the_stack(opening: str) -> None:
    assert f"is nested deeper than {DEPTH_MAX} levels" in _refusal("x:\n  " + opening * 20_000)


def test_aliases_cannot_nest_deeper_either() -> None:
    levels = ["l0: &l0 [x]", *[f"l{n}: &l{n} [*l{n - 1}]" for n in range(1, DEPTH_MAX + 5)]]
    assert f"is nested deeper than {DEPTH_MAX} levels" in _refusal("\n".join(levels))


def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"entity: order\ndescription: gr\xfc\xdfe\n")
    with pytest.raises(YamlProblemError, match=r"latin.yaml:2: error: is not UTF-8 \(byte 0xfc\)"):
        read_yaml(file)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_bytes("\ufeffentity: größe\n".encode())
    assert read_yaml(file).data == {"entity": "größe"}


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    file.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(YamlProblemError, match=f"is larger than {FILE_BYTES_MAX} bytes, the most that is read"):
        read_yaml(file)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(YamlProblemError, match="cannot be read: No such file or directory"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(YamlProblemError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t~0.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text ends in anything but data or a problem with a place in the file."""
    try:
        parse_yaml(text, "a.yaml")
    except YamlProblemError as error:
        assert error.problem.place.file == "a.yaml"  # noqa: PT017
