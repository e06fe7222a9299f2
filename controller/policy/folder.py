"""A folder of policy files: what is in it, and which policies are in force because of it.

A policy comes into force only from a file that is valid and alone in claiming its model. It goes on being
in force through everything that may happen to its file, until the same model is claimed validly again.

What counts is a file's content. It is not read at every look: with thousands of files that would be half of
what the daemon does. A file that the file system shows to be as it was twice is taken to be the same; and
because file systems can be wrong, each file is read all the same once in `ROUNDS` looks.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.faults import Mark, PolicyFault, Source
from controller.policy.loader import POLICY_LIMITS, Faults, beside, parse_policy
from controller.policy.source import UnreadableError, read_within

MOST_FILES = 10_000
ROUNDS = 12
"""Looks within which every file is read, whatever the file system says of it."""
_SUFFIXES = (".yaml", ".yml")
_GOLDEN_SUFFIXES = (".golden.yaml", ".golden.yml")


Signature = tuple[tuple[int, ...], ...]
"""What differs when a file, or the golden file that it names, was replaced or edited."""


@dataclass(frozen=True, slots=True)
class FileState:
    """One file as last read: its digest, and that of the golden file it names, by that file's name.

    ``signature`` is that of before it was read. It is ``settled`` when the read before had the same: an edit
    within the same tick of the file system's clock as a read does not show in it.
    """

    digest: str
    golden: Mapping[str, str]
    result: Policy | Faults
    signature: Signature | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A policy in force, and the name of the file it came from."""

    name: str
    policy: Policy


Files = Mapping[str, FileState]
"""The folder's policy files by name."""
InForce = Mapping[str, Standing]
"""The policies in force by model."""


def read_folder(folder: Path, catalogue: Catalogue, known: Files, look: int = 0) -> Files:
    """Read the policy files that may have changed, and parse those that are not as ``known``.

    ``look`` numbers the looks, so that each has other files to read for certain. Raises `UnreadableError`.
    """
    files: dict[str, FileState] = {}
    for place, name in enumerate(_names(folder)):
        state, signature = known.get(name), None
        if state is not None:
            signature = _signature(folder, name, state.golden)
            if state.settled and state.signature == signature and place % ROUNDS != look % ROUNDS:
                files[name] = state
                continue
        files[name] = _read_file(folder, name, catalogue, state, signature)
    return files


def same(one: Files, other: Files) -> bool:
    """Whether nothing was parsed anew, and no file came or went."""
    return one.keys() == other.keys() and all(
        state.result is other[name].result for name, state in one.items()
    )


def settle(folder: Path, in_force: InForce, files: Files) -> tuple[InForce, Mapping[str, Faults]]:
    """Which policies are in force now, and what is wrong with which path."""
    problems = {name: state.result for name, state in files.items() if isinstance(state.result, tuple)}
    claims: dict[str, list[str]] = {}
    for name, state in files.items():
        if isinstance(state.result, Policy):
            claims.setdefault(state.result.model, []).append(name)
    settled = dict(in_force)
    for model, names in claims.items():
        holder = in_force.get(model)
        # A file that is broken for a moment must not lose its model to another.
        broken = [holder.name] if holder and _is_broken(files.get(holder.name)) else []
        if len(names) + len(broken) > 1:
            for name in names:
                others = [other for other in [*names, *broken] if other != name]
                problems[name] = (_fault(folder / name, *_rivals(model, others, holder)),)
        elif isinstance(policy := files[names[0]].result, Policy):
            settled[model] = Standing(names[0], policy)
    for model in settled.keys() - claims.keys():
        name = settled[model].name
        if name not in problems:
            problems[name] = (_fault(folder / name, *_left(model, present=name in files)),)
    return settled, {str(folder / name): faults for name, faults in sorted(problems.items())}


def folder_problem(folder: Path, error: UnreadableError) -> Mapping[str, Faults]:
    """The problem of a folder that cannot be listed."""
    return {str(folder): (_fault(folder, str(error), "every policy stays in force as it was"),)}


def _is_broken(state: FileState | None) -> bool:
    return state is not None and isinstance(state.result, tuple)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = (entry.name for entry in entries if _is_policy(entry.name))
            names = sorted(islice(found, MOST_FILES + 1))
    except OSError as error:
        raise UnreadableError(
            f"the folder cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    if len(names) > MOST_FILES:
        raise UnreadableError(f"the folder has more than {MOST_FILES} policy files")
    return names


def _is_policy(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.endswith(_GOLDEN_SUFFIXES) and not name.startswith(".")


def _read_file(
    folder: Path, name: str, catalogue: Catalogue, known: FileState | None, signature: Signature | None
) -> FileState:
    path = str(folder / name)
    try:
        raw = read_within(folder, name, POLICY_LIMITS.size_bytes)
    except UnreadableError as error:
        return FileState("", {}, (_fault(Path(path), str(error), "check its name and permissions"),))
    digest = hashlib.sha256(raw).hexdigest()
    if known is not None and known.digest == digest and _same_golden(folder, known):
        settled = signature is not None and signature == known.signature
        return replace(known, signature=signature, settled=settled)
    golden: dict[str, str] = {}

    def read(golden_name: str) -> bytes:
        golden[golden_name] = _digest(folder, golden_name)
        return beside(folder)(golden_name)

    result = parse_policy(raw, path, catalogue, read)
    return FileState(digest, golden, result)


def _signature(folder: Path, name: str, golden: Iterable[str]) -> Signature | None:
    """None for what cannot be looked at, which is then read."""
    try:
        found = [os.stat(f"{folder}/{each}") for each in (name, *golden)]  # noqa: PTH116 - of thousands
    except (OSError, ValueError):
        return None
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found)


def _same_golden(folder: Path, known: FileState) -> bool:
    return all(_digest(folder, name) == digest for name, digest in known.golden.items())


def _digest(folder: Path, golden_name: str) -> str:
    try:
        return hashlib.sha256(beside(folder)(golden_name)).hexdigest()
    except UnreadableError as error:
        return str(error)


def _rivals(model: str, others: list[str], holder: Standing | None) -> tuple[str, str]:
    also = ", ".join(sorted(others))
    force = f"the policy of {holder.name} stays in force" if holder else "no policy is in force for it"
    return f"{also} claims model {model} as well; {force}", "keep one file per model"


def _left(model: str, *, present: bool) -> tuple[str, str]:
    what = f"the file is no longer for model {model}" if present else "the file is gone"
    return (
        f"{what}; the last good policy of {model} stays in force",
        "put it back, or restart to forget the policy",
    )


def _fault(path: Path, sentence: str, suggestion: str) -> PolicyFault:
    return PolicyFault(Source(str(path)), Mark(), "", sentence, suggestion)
