"""All contracts of a project, read and checked together.

```
files → YamlText → Draft (shape) → Assembled (texts read, defaults applied) → lint → Catalog
```
Every step collects what is wrong and goes on, so that one look shows every mistake of every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.assembly import Assembled, assemble
from contracts.configured import UNKNOWN, Configured
from contracts.draft import Draft, draft
from contracts.errors import ContractError, Place, Problem, UsageError
from contracts.lint import lint, lint_alone
from contracts.suggestion import did_you_mean
from contracts.yaml_text import YamlProblemError, YamlText, parse_yaml, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.contract import Contract

FILES_MAX = 10_000
"""Most contract files of a project; more means that a directory was named by mistake."""

_CORRECT = "correct the contracts; `audit contracts check` reads nothing else"

Expand = Callable[[str], str]
"""Puts in what `${NAME}` stands for; raises ValueError where it stands for nothing."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every contract of a project, by entity, in the order of the files.

    Attributes:
        contracts: Entity name to contract.
        warnings: What is lawful but doubtful.
    """

    contracts: Mapping[str, Contract]
    warnings: tuple[Problem, ...] = ()

    def contract(self, entity: str) -> Contract:
        """The contract of an entity.

        Raises:
            UsageError: There is none; the message names those that there are.
        """
        found = self.contracts.get(entity)
        if found is None:
            known = ", ".join(sorted(self.contracts)) or "none"
            raise UsageError(
                f"unknown entity {entity!r}{did_you_mean(entity, self.contracts)}", hint=f"known entities: {known}"
            )
        return found


def load_catalog(paths: Sequence[Path], expand: Expand | None = None, configured: Configured = UNKNOWN) -> Catalog:
    """Read and check every contract of these directories and files.

    Args:
        paths: Directories, of which every `*.yaml` and `*.yml` is read in the order of names, and files.
        expand: Puts in what `${NAME}` in a salt stands for; without it salts stay as written.
        configured: What the settings have of what contracts name.

    Raises:
        ContractError: With every error of every file.
    """
    problems: list[Problem] = []
    texts = [text for file in _files(paths, problems) if (text := _read(file, problems)) is not None]
    return _catalog(texts, problems, expand, configured)


def load_contract(paths: Sequence[Path], entity: str, expand: Expand | None = None) -> Contract | None:
    """One contract without its invariants, for whoever looks at a single row and has no time to lose.

    Nothing but this file is checked, and rules that nobody will evaluate are not parsed.

    Returns:
        None where there is no such contract, there are several, or it is wrong; `load_catalog` tells which and where.
    """
    problems: list[Problem] = []
    texts = [text for file in _files(paths, problems) if (text := _read(file, problems)) is not None]
    about = [text for text in texts if text.data.get("entity") == entity]
    if len(about) != 1:
        return None
    data = {name: value for name, value in about[0].data.items() if name != "invariants"}
    found: list[Problem] = []
    assembled = _assembled([replace(about[0], data=MappingProxyType(data))], found, expand)
    found += [problem for one in assembled for problem in lint_alone(one)]
    wrong = any(problem.severity == "error" for problem in found)
    return None if wrong or not assembled else assembled[0].contract


def parse_catalog(files: Mapping[str, str], expand: Expand | None = None) -> Catalog:
    """Check contracts that are texts already, such as an older version of a file; see `load_catalog`.

    Args:
        files: The name that messages use, to the text.
        expand: As for `load_catalog`.
    """
    problems: list[Problem] = []
    texts = []
    for name, content in files.items():
        try:
            texts.append(parse_yaml(content, name))
        except YamlProblemError as error:
            problems.append(error.problem)
    return _catalog(texts, problems, expand)


def parse_contract(text: str, file: str, expand: Expand | None = None) -> Contract:
    """One contract by itself, without what it refers to: an older version, or one kept in the ledger.

    Raises:
        ContractError: With every error, except those that only other contracts could tell.
    """
    try:
        return _alone(parse_yaml(text, file), expand)
    except YamlProblemError as error:
        raise ContractError([error.problem], hint=_CORRECT) from None


def read_contract(path: Path, expand: Expand | None = None) -> Contract:
    """One contract file by itself, without what it refers to.

    Raises:
        ContractError: As `parse_contract`; the file cannot be read, too.
    """
    try:
        return _alone(read_yaml(path), expand)
    except YamlProblemError as error:
        raise ContractError([error.problem], hint=_CORRECT) from None


def _alone(read: YamlText, expand: Expand | None) -> Contract:
    problems: list[Problem] = []
    assembled = _assembled([read], problems, expand)
    problems += [problem for one in assembled for problem in lint_alone(one)]
    _raise_errors(problems)
    return assembled[0].contract


def _catalog(
    texts: Sequence[YamlText], problems: list[Problem], expand: Expand | None, configured: Configured = UNKNOWN
) -> Catalog:
    assembled = _assembled(texts, problems, expand)
    problems += lint(assembled, configured)
    _raise_errors(problems)
    warnings = tuple(sorted({problem for problem in problems if problem.severity != "error"}))
    return Catalog(MappingProxyType({one.contract.entity: one.contract for one in assembled}), warnings)


def _raise_errors(problems: Sequence[Problem]) -> None:
    errors = sorted({problem for problem in problems if problem.severity == "error"})
    if errors:
        raise ContractError(errors, hint=_CORRECT)


def _assembled(texts: Sequence[YamlText], problems: list[Problem], expand: Expand | None) -> list[Assembled]:
    assembled = []
    for text in texts:
        checked = draft(text)
        if isinstance(checked, Draft):
            one = assemble(checked, expand)
            problems += [*checked.problems, *one.problems]
            assembled.append(one)
        else:
            problems += checked
    return assembled


def _files(paths: Sequence[Path], problems: list[Problem]) -> Iterator[Path]:
    count = 0
    for path in paths:
        found = _listed(path, problems)
        count += len(found)
        if count > FILES_MAX:
            problems.append(
                Problem(Place(str(path)), f"more than {FILES_MAX} contract files; is this the right directory?")
            )
            return
        yield from found


def _listed(path: Path, problems: list[Problem]) -> list[Path]:
    if not path.is_dir():
        return [path]  # reading it tells what is wrong with it
    try:
        found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
    except OSError as error:
        problems.append(Problem(Place(str(path)), f"cannot be listed: {error.strerror or error}"))
        return []
    if not found:
        problems.append(Problem(Place(str(path)), "holds no contract; expected files *.yaml, one for each entity"))
    return found


def _read(file: Path, problems: list[Problem]) -> YamlText | None:
    try:
        return read_yaml(file)
    except YamlProblemError as error:
        problems.append(error.problem)
        return None
