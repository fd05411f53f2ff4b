"""Wrong settings: every error at once, each with its place, what was found and what was expected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from auditor.settings import load_settings
from contracts.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.auditor.conftest import SettingsFile


def test_every_error_is_told_at_once_with_its_line(settings_file: SettingsFile) -> None:
    told = settings_file.failure(
        "version: 2\n"
        "contrcts: x\n"
        "connections:\n"
        "  a:\n"
        "    url: 'postgresql://h:54x2/d'\n"
        "    pasword: secret\n"
        "    timezone: Mars/Olympus\n"
        "    limits: {connections: 0, statement_timeout: 10, windows: ['1:00'], segment_rows: 0}\n"
        "  b: {url: 'postgress://h/d', password: '${NOPE}'}\n"
        "  c: {}\n"
        "feeds:\n"
        "  k: {type: kafkaa}\n"
        "  l: {type: kafka, bootstrap_servers: [], groop: x}\n"
        "workspace: {memory_limit: 1, threads: two}\n"
    )
    lines = told.splitlines()
    expected = [
        ("auditor.yaml:1: version: ", "version 1 only, found '2'"),
        ("auditor.yaml:2: contrcts: unknown setting", "did you mean `contracts`?"),
        ("auditor.yaml:5: connections.a.url: ", "expected user@host:port"),
        ("auditor.yaml:6: connections.a.pasword: unknown setting", "did you mean `password`?"),
        ("auditor.yaml:7: connections.a.timezone: unknown time zone", "found 'Mars/Olympus'"),
        ("auditor.yaml:8: connections.a.limits.connections: ", "at least 1, found '0'"),
        ("auditor.yaml:8: connections.a.limits.segment_rows: ", "at least 1, found '0'"),
        ("auditor.yaml:8: connections.a.limits.statement_timeout: ", "such as 30s or 5m, found '10'"),
        ("auditor.yaml:8: connections.a.limits.windows[0]: ", "found '1:00'"),
        ("auditor.yaml:9: connections.b.password: ", "the environment variable NOPE is not set"),
        ("auditor.yaml:9: connections.b.url: unknown URL scheme `postgress`", "did you mean `postgresql`?"),
        ("auditor.yaml:10: connections.c.url: is missing", ""),
        ("auditor.yaml:12: feeds.k: ", "expected kafka or recorded, found 'kafkaa'"),
        ("auditor.yaml:13: feeds.l.bootstrap_servers: ", "expected at least one"),
        ("auditor.yaml:13: feeds.l.groop: unknown setting", "did you mean `group_id`?"),
        ("auditor.yaml:14: workspace.memory_limit: ", "such as 512MB or 1GB, found '1'"),
        ("auditor.yaml:14: workspace.threads: ", "expected a whole number, found 'two'"),
    ]
    for line, (beginning, part) in zip(lines, expected, strict=False):
        assert line.startswith(beginning)
        assert part in line
    assert lines[len(expected) :] == ["  next: correct auditor.yaml and run the command again"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b\n", "auditor.yaml:1: expected settings, one `name: value` a line"),
        ("just words\n", "auditor.yaml:1: expected settings"),
        ("connections: [a]\n", "auditor.yaml:1: connections: expected a group of settings"),
        ("connections: {a: 'mysql://h/d'}\n", "connections.a: expected a group of settings"),
        ("connections: {a: {url: [x]}}\n", "connections.a.url: expected the URL of a store"),
        ("connections: {'a/b': {url: 'mysql://h/d'}}\n", "connections.a/b: expected a name"),
        ("contracts: {}\n", "contracts: expected a list"),
        ("contracts: []\n", "contracts: expected at least one"),
        ("contracts: ''\n", "contracts[0]: expected a path"),
        ("workspace: {threads: 20000}\n", "workspace.threads: expected at most 256, found '20000'"),
        ("ledger: {url: 'mongodb://h/d'}\n", "ledger.url: unknown URL scheme `mongodb`"),
        ("ledger: {url: 'sqlite://'}\n", "ledger.url: expected a path after sqlite:///"),
        ("report: {hash_key: ''}\n", "report.hash_key: is empty"),
        ("report: {hash_kye: x}\n", "report.hash_kye: unknown setting; did you mean `hash_key`?"),
        ("report: {entirely_else: x}\n", "unknown setting; known are hash_key"),
        ("tolerate: {undecided: -1}\n", "tolerate.undecided: expected at least 0, found '-1'"),
        ("tolerate: 3\n", "tolerate: expected a group of settings"),
        ("workspace: {max_disk: 0GB}\n", "workspace.max_disk: expected a size"),
        ("feeds: {m: {path: x}}\n", "feeds.m: `type` is missing: expected kafka or recorded"),
        ("feeds: {m: {type: recorded}}\n", "feeds.m.path: is missing"),
        (
            "feeds: {m: {type: kafka, bootstrap_servers: h, schema_registry: {url: 'http://u:p@h'}}}\n",
            "feeds.m.schema_registry.url: expected http://… or https://… without a user",
        ),
        (
            "feeds: {m: {type: kafka, bootstrap_servers: h, schema_registry: {url: 'http://h', auth: {basic: x}}}}\n",
            'feeds.m.schema_registry.auth: `basic` expects "user:password"',
        ),
        (
            "connections: {a: {url: 'mysql://h/d', standby: 'postgresql://h/d'}}\n",
            "`standby` is postgresql, but `url` is mysql; expected the same store",
        ),
        (
            "connections: {a: {url: 'mysql://h/d', tls: {mode: verify_full}}}\n",
            "expected disable, allow, prefer, require, verify-ca or verify-full, found 'verify_full'",
        ),
        ('feeds: {f: {type: kafka, bootstrap_servers: ["k:1"], member_silence: 5s}}', "expected 6s to 30m"),
        (
            'feeds:\n  f:\n    type: kafka\n    bootstrap_servers: ["k:65535", "k:99092"]\n',
            "auditor.yaml:4: feeds.f.bootstrap_servers[1]: expected host:port, with a port from 1 to 65535",
        ),
        ("feeds: {f: {type: kafka, bootstrap_servers: 'k:0'}}\n", "bootstrap_servers[0]: expected host:port"),
        ("feeds: {f: {type: kafka, bootstrap_servers: '[::1]:kafka'}}\n", "bootstrap_servers[0]: expected host:port"),
    ],
)
def test_one_clear_message_for_each_mistake(settings_file: SettingsFile, text: str, told: str) -> None:
    assert told in settings_file.failure(text)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: b: c", 1, "mapping values are not allowed"),
        ("version: 1\nfeeds: [1, 2\n", 3, "begins in line 2"),
        ("contracts:\n\t- b\n", 2, "cannot start any token"),
        ("version: 1\n\t- b\n", 2, "a tab character that violates indentation"),
        ("a: 'x\n", 2, "unexpected end of stream"),
        ("a: *nothing\n", 1, "undefined alias"),
        ("a: \x00\n", 1, "control characters"),
        ("version: 1\n---\nversion: 1\n", 2, "another document"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(settings_file: SettingsFile, text: str, line: int, told: str) -> None:
    message = settings_file.failure(text)
    assert message.startswith(f"auditor.yaml:{line}: not valid YAML: ")
    assert told in message


def test_a_setting_that_stands_twice_is_an_error_with_both_lines(settings_file: SettingsFile) -> None:
    told = settings_file.failure("version: 1\nconnections:\n  a: {url: 'mysql://h/d'}\n  a: {url: 'mysql://h/e'}\n")
    assert "auditor.yaml:4: connections.a: given twice, in lines 3 and 4" in told


def test_names_that_are_no_text_are_errors(settings_file: SettingsFile) -> None:
    assert "has no name of a setting before its colon" in settings_file.failure("connections:\n  ? [a]\n  : x\n")
    assert "has no name of a setting before its colon" in settings_file.failure("connections: {~: x}\n")


def test_tags_are_errors_and_never_run(settings_file: SettingsFile) -> None:
    told = settings_file.failure("connections: !!python/object/apply:os.system ['touch pwned']\n")
    assert "connections: has a YAML tag" in told
    assert not (settings_file.path.parent / "pwned").exists()


def test_aliases_that_unfold_without_end_are_refused(settings_file: SettingsFile) -> None:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        laughs += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    assert "expected at most" in settings_file.failure(laughs)
    assert "expected at most" in settings_file.failure("a: &a [*a]\n")


def test_nesting_without_end_is_refused(settings_file: SettingsFile) -> None:
    """A parser that recurses would take the whole process with it."""
    for text in ("a: " + "[" * 50_000 + "]" * 50_000, "a: " + "{a: " * 50_000):
        assert "auditor.yaml:1: nested too deeply" in settings_file.failure(text)


def test_a_failed_reference_hides_what_follows_from_it_and_nothing_else(settings_file: SettingsFile) -> None:
    told = settings_file.failure("connections: {a: {url: '${A}', timezone: '${B}', password: '${C}', x: y}}")
    assert [line.partition(": ")[2] for line in told.splitlines()[:-1]] == [
        "connections.a.password: the environment variable C is not set",
        "connections.a.timezone: the environment variable B is not set",
        "connections.a.url: the environment variable A is not set",
        "connections.a.x: unknown setting; known are url, password, tls, standby, timezone, limits",
    ]


def test_an_unreadable_secret_file_is_named(settings_file: SettingsFile) -> None:
    told = settings_file.failure("connections: {a: {url: 'mysql://h/d', password: '${file:/nowhere/orders}'}}")
    assert "connections.a.password: cannot read the file /nowhere/orders: No such file or directory" in told


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no such file\n  next: `audit init` writes one"):
        load_settings(tmp_path / "auditor.yaml")


def test_files_that_are_no_settings(tmp_path: Path, settings_file: SettingsFile) -> None:
    with pytest.raises(SettingsError, match="Is a directory"):
        load_settings(tmp_path)
    assert "auditor.yaml:2: not UTF-8 text" in settings_file.failure(b"version: 1\nx: \xff\xfe\n")
    assert "is larger than" in settings_file.failure(b"#" * 5_000_000)


def test_an_empty_file_has_only_defaults(settings_file: SettingsFile) -> None:
    assert settings_file.load("").connections == {}
    assert settings_file.load("# nothing yet\n").connections == {}


@pytest.mark.parametrize("written", ["[]", "[a]", "{}", "{a: b}", "''", "zz zz", '"-1"', '"9999999999999999999"'])
@pytest.mark.parametrize(
    "setting",
    [
        "connections: {{o: {{url: 'sqlite:///o.db', limits: {{lock_timeout: {}}}}}}}",
        "connections: {{o: {{url: 'sqlite:///o.db', limits: {{windows: [{}]}}}}}}",
        "workspace: {{memory_limit: {}}}",
        "workspace: {{max_disk: {}}}",
        "workspace: {{threads: {}}}",
        "version: {}",
    ],
)
def test_whatever_stands_in_a_setting_is_told_in_our_own_words(tmp_path: Path, setting: str, written: str) -> None:
    """Where it is, what was expected and what to do next; never the words of a library."""
    path = tmp_path / "auditor.yaml"
    path.write_text(setting.format(written))
    try:
        load_settings(path, {})
    except SettingsError as error:
        told = str(error)
        assert "auditor.yaml:1: " in told
        assert "next: " in told
        assert not re.search(r"[Ii]nput should|valid |pydantic|has no attribute", told)
