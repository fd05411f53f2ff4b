"""No password and no key is in any error, text or printout, however it got into the settings."""

from __future__ import annotations

import logging
import pprint
import traceback
from typing import TYPE_CHECKING

import pytest

from auditor.secrets import scrub
from auditor.settings import load_settings
from contracts.errors import SettingsError

if TYPE_CHECKING:
    from tests.unit.auditor.conftest import SettingsFile

CANARY = "c4n4ry/p@ss:w0rd"
IN_URL = "c4n4ry%2Fp%40ss%3Aw0rd"

SETTINGS = f"""
connections:
  written: {{url: 'postgresql://auditor:{IN_URL}@db/orders?sslpassword={IN_URL}'}}
  apart: {{url: 'mysql://auditor@db/orders', password: '{CANARY}', standby: 'mysql://auditor@ro/orders'}}
  read: {{url: 'mysql://auditor@db/orders', password: '${{file:secret}}'}}
  inside: {{url: 'postgresql://auditor:${{CANARY}}@db/orders'}}
feeds:
  shop: {{type: kafka, bootstrap_servers: h, security: {{password: '${{CANARY}}'}},
         schema_registry: {{url: 'http://h', auth: {{basic: 'user:${{CANARY}}'}}}}}}
ledger: {{url: 'postgresql://auditor:{IN_URL}@db/ledger'}}
report: {{hash_key: '{CANARY}'}}
"""


def test_settings_show_themselves_without_secrets(
    settings_file: SettingsFile, caplog: pytest.LogCaptureFixture
) -> None:
    (settings_file.path.parent / "secret").write_text(f"{CANARY}\n")
    with caplog.at_level(logging.DEBUG):
        settings = settings_file.load(SETTINGS, CANARY=CANARY)
    connections = [settings.connection(name) for name in settings.connections]
    shown = [repr(settings), str(settings), pprint.pformat(settings), caplog.text, settings.model_dump_json()]
    shown += [f"{c!r} {c} {c.url_without_password} {c.url!r} {c.url} {c.standby}" for c in connections]
    for text in shown:
        assert CANARY not in text
        assert IN_URL not in text
        assert "c4n4ry" not in text
    for connection in connections:
        assert connection.password is not None
        assert connection.password.get_secret_value() == CANARY, "and yet every driver gets it"


def test_what_drivers_say_is_scrubbed(settings_file: SettingsFile) -> None:
    settings_file.load(f"connections: {{a: {{url: 'mysql://u@h/d', password: '{CANARY}'}}}}")
    for said in (
        f"connection to {CANARY} failed",
        f"postgresql://u:{IN_URL}@h/d refused",
        f"b'\\x00user\\x00{CANARY}'",
        '{"password": "c4n4ry/p@ss:w0rd"}',
        "Basic YzRuNHJ5L3BAc3M6dzByZA==",
    ):
        assert "c4n4ry" not in scrub(said)
        assert "YzRuNHJ5" not in scrub(said)


@pytest.mark.parametrize(
    "text",
    [
        f"connections: {{a: {{url: 'mysql://u:{CANARY}@h/d'}}}}",
        f"connections: {{a: {{url: 'mysqll://u:{CANARY}@h/d'}}}}",
        f"connections: {{a: {{url: 'mysql://u:{CANARY}@h:port/d'}}}}",
        "connections: {a: {url: 'mysql://u:c4n4ry?x@h/d'}}",
        "connections: {a: {url: 'mysql://u:1?c4n4ry@h/d'}}",
        "connections: {a: {url: 'mysql://u:1/c4n4ry@h/d'}}",
        "connections: {a: {url: 'mysql://u:1#c4n4ry@h/d'}}",
        f"connections: {{a: 'mysql://u:{CANARY}@h/d'}}",
        f"connections: 'mysql://u:{CANARY}@h/d'",
        f"connections: {{a: {{url: 'mysql://u:x@h/d', password: '{CANARY}'}}}}",
        f"connections: {{a: {{url: 'mysql://h/d', pasword: '{CANARY}'}}}}",
        f"connections: {{a: {{url: 'mysql://h/d', password: ['{CANARY}']}}}}",
        f"connections: {{a: {{url: 'mysql://h/d', password: {{x: '{CANARY}'}}}}}}",
        "connections: {a: {url: 'mysql://h/d', password: *c4n4ry}}",
        "connections: {a: {url: 'mysql://h/d', password: !c4n4ry x}}",
        "connections: {a: {url: 'mysql://h/d', password: '${c4n4ry!}'}}",
        "connections: {a: {url: 'mysql://h/d', password: '${file:secret}', limits: {connections: '${CANARY}'}}}",
        "connections: {a: {url: 'mysql://h/d', limits: {statement_timeout: '${CANARY}', lock_timeout: '${CANARY}'}}}",
        "connections: {a: {url: 'mysql://h/d', timezone: '${CANARY}', tls: {mode: '${CANARY}'}}}",
        "workspace: {memory_limit: '${CANARY}', threads: '${CANARY}'}",
        "feeds: {f: {type: '${CANARY}'}}",
        f"feeds: {{f: {{type: kafka, bootstrap_servers: h, security: {{pasword: '{CANARY}'}}}}}}",
        f"feeds: {{f: {{type: kafka, bootstrap_servers: h, schema_registry: {{url: 'http://u:{CANARY}@h'}}}}}}",
        "feeds: {f: {type: kafka, bootstrap_servers: h, schema_registry: {url: 'http://h', auth: {basic: c4n4ry}}}}",
        f"report: '{CANARY}'",
        f"report: ['{CANARY}']",
        "connections: {a: {password: 'c4n4ry",
        "connections: {a: {password: {c4n4ry",
        'password: "c4n4ry\\q"',
        "password: @c4n4ry",
        f"ledger: {{url: 'mongodb://u:{CANARY}@h/d'}}",
    ],
)
def test_no_error_holds_a_secret(settings_file: SettingsFile, text: str) -> None:
    (settings_file.path.parent / "secret").write_text(CANARY)
    settings_file.path.write_text(text)
    with pytest.raises(SettingsError) as failure:
        load_settings(settings_file.path, {"CANARY": CANARY})
    raised = failure.value
    told = f"{raised}{raised!r}{raised.args}{''.join(traceback.format_exception(raised))}"
    assert "c4n4ry" not in told.replace(text, "")
