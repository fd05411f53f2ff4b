"""Schemas that were looked up once, kept in the workspace directory for ever: an id never changes its schema.

```
<workspace directory>/schemas/<registry>/<kind of name>-<name>.json
```

One file a schema, written beside its place and moved there: two processes that write the same one do no harm, and a
process that dies leaves a whole file or none.  A file that is not whole is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from auditor.feeds.schemas import WriterSchema
from contracts.errors import WorkspaceError
from reconcilers.private_directory import make_private_directory

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.feeds.wire import SchemaName

_REGISTRY_DIGITS = 16


class SchemaStore:
    """The schemas of one registry on disk.

    Args:
        directory: Of the workspace.
        registry: The address of the registry; another one has other schemas under the same ids.
    """

    def __init__(self, directory: Path, registry: str) -> None:
        self.directory = directory / "schemas" / hashlib.sha256(registry.encode()).hexdigest()[:_REGISTRY_DIGITS]
        self._registry = registry

    def path(self, name: SchemaName) -> Path:
        """Where a schema is kept."""
        return self.directory / f"{name.naming.value}-{name.text}.json"

    def get(self, name: SchemaName) -> WriterSchema | None:
        """The schema, or None where it is not kept, or not whole."""
        try:
            document = json.loads(self.path(name).read_bytes())
            content = document["content"]
            if document["digest"] != _digest(content):
                return None
            return WriterSchema(content["definition"], content["language"], tuple(content["references"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None  # it will be looked up and written again

    def put(self, name: SchemaName, schema: WriterSchema) -> None:
        """Keep a schema.

        Raises:
            WorkspaceError: The directory cannot be written.
        """
        content = {
            "definition": schema.definition,
            "language": schema.language,
            "references": list(schema.references),
        }
        document = {"registry": self._registry, "digest": _digest(content), "content": content}
        try:
            make_private_directory(self.directory)
            _write_whole(self.path(name), json.dumps(document).encode())
        except OSError as error:
            raise WorkspaceError(
                f"A schema could not be kept in {self.directory}: {error.strerror}",
                hint="give workspace.directory room and leave to write, or name another one",
            ) from None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105 - one move, on whatever is there
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)  # noqa: PTH108
        raise
