"""The rivals, each in an environment of its own, outside the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

RELADIFF = ("reladiff==0.6.0", "psycopg2-binary", "mysql-connector-python")
DATACOMPY = ("datacompy==1.1.0", "polars", "pyarrow")
CONFLUENT = ("confluent-kafka[avro,schemaregistry]>=2.12,<3",)
QUIXSTREAMS = ("quixstreams[avro]>=3.20,<4",)


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """The `bin` directory of an environment with these packages; made once, below the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "consistency-auditor" / "rivals"
    home = cache / name
    stamp = home / "made-of"
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        _make(home, packages)
        stamp.write_text("\n".join(packages))
    return home / "bin"


def _make(home: Path, packages: tuple[str, ...]) -> None:
    print(f"making the rival's environment {home.name}", file=sys.stderr)
    uv = shutil.which("uv") or _cached_uv()
    if uv is not None:
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"), *packages], check=True
        )
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", *packages], check=True)


def _cached_uv() -> str | None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "consistency-auditor"
    return next((str(path) for path in sorted(cache.glob("uv-*/bin/uv"))), None)
