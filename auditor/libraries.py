"""What libraries would do when they are loaded, and no command needs."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec


def spare_libraries() -> None:
    """Have libraries leave it out; to be called before they are loaded.

    NumPy's algebra would start threads, which look for work for a tenth of a second before they sleep; pydantic would
    search all that is installed for plugins, and hand them our settings with their passwords; DuckDB would search for
    pandas, where there is none, with each table that it is shown and each statement that has parameters: a run that
    follows feeds spent a tenth of a second on looking into every directory that modules may be in.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if "pandas" not in sys.modules and find_spec("pandas") is None:
        sys.meta_path.insert(0, _Absent())


class _Absent:
    """Finds no pandas, at once."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Leave every other module to whoever finds it.

        Raises:
            ModuleNotFoundError: It is pandas.
        """
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
