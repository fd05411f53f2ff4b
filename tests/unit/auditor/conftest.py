"""A settings file of each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor import secrets
from auditor.settings import Settings, load_settings
from contracts.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test's passwords change what another prints."""
    monkeypatch.setattr(secrets, "_REGISTRY", secrets.SecretRegistry())


class SettingsFile:
    """Writes settings, reads them back, and tells what is wrong with them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "auditor.yaml"

    def load(self, text: str, **environment: str) -> Settings:
        """The settings of this text."""
        self.path.write_text(text, encoding="utf-8")
        return load_settings(self.path, environment)

    def failure(self, text: str | bytes, environment: Mapping[str, str] | None = None) -> str:
        """What a person is told about this text, the directory left out."""
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SettingsError) as failure:
            load_settings(self.path, environment or {})
        return str(failure.value).replace(f"{self.path.parent}/", "")


@pytest.fixture
def settings_file(tmp_path: Path) -> SettingsFile:
    """A settings file in a directory of its own."""
    return SettingsFile(tmp_path)
