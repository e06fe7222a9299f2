"""The policies in force, kept current while the daemon runs.

Notifications of the file system only make it faster: they miss Kubernetes' swap of ``..data``, folders on a
network and folders that come back. So the folder is looked at again at every poll, by
`controller.policy.folder`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from watchfiles import awatch

from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.folder import Files, InForce, folder_problem, read_folder, same, settle
from controller.policy.loader import Faults
from controller.policy.source import UnreadableError

POLL = timedelta(seconds=5)
"""How late a change may be noticed that nothing notified of."""
_DEBOUNCE_MS = 400
"""Changes this close together are read once: editors and kubelets write in several strokes."""


@dataclass(frozen=True, slots=True)
class FolderChange:
    """What reading the folder again changed: models with a new policy, and all problems there are now."""

    models: frozenset[str]
    problems: Mapping[str, Faults]


class PolicyFolder:
    """Implements `controller.ports.Policies` on a folder of ``*.yaml`` and ``*.yml`` files.

    Files that end in ``.golden.yaml`` are no policies: a ConfigMap has no folders to put golden files in.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, poll: timedelta = POLL) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._poll = poll
        self._files: Files = {}
        self._looks = 0
        self._listed = False
        self._in_force: InForce = {}
        self._policies: Mapping[str, Policy] = {}
        self._problems: Mapping[str, Faults] = {}
        self._validity: Mapping[str, bool] = {}
        self._reading = asyncio.Lock()

    def current(self) -> Mapping[str, Policy]:
        """The policies in force, by model."""
        return self._policies

    def problems(self) -> Mapping[str, Faults]:
        """What is wrong now, by the path of a file or of the folder."""
        return self._problems

    def validity(self) -> Mapping[str, bool]:
        """Whether the file of each policy in force is valid as it is now, by model."""
        return self._validity

    def origins(self) -> Mapping[str, str]:
        """The path of the file that each policy in force came from, by model."""
        return {model: str(self._folder / each.name) for model, each in self._in_force.items()}

    async def load_all(self) -> FolderChange:
        """Read the folder and bring into force what is valid. Never fails: see `problems`."""
        async with self._reading:
            known, self._looks = self._files, self._looks + 1
            try:
                files = await asyncio.to_thread(
                    read_folder, self._folder, self._catalogue, known, self._looks
                )
            except UnreadableError as error:
                self._listed = False
                in_force, problems = self._in_force, folder_problem(self._folder, error)
            else:
                listed_before, self._listed, self._files = self._listed, True, files
                if listed_before and same(files, known):
                    return FolderChange(frozenset(), self._problems)
                in_force, problems = settle(self._folder, self._in_force, files)
            policies = {model: standing.policy for model, standing in in_force.items()}
            changed = frozenset(model for model in policies if policies[model] != self._policies.get(model))
            self._in_force, self._policies, self._problems = in_force, policies, problems
            self._validity = {
                model: str(self._folder / each.name) not in problems for model, each in in_force.items()
            }
            return FolderChange(changed, problems)

    async def watch(self, on_change: Callable[[FolderChange], None]) -> None:
        """Read the folder whenever it changes, for ever; tell when policies or problems became others."""
        async with aclosing(self._hints()) as hints:
            async for _ in hints:
                await self._tell(on_change)

    async def _hints(self) -> AsyncGenerator[None, None]:
        """Yield when the folder may have changed: at once, after a notification, and at every poll."""
        while True:
            yield
            try:
                identity = await asyncio.to_thread(_identity, self._folder)
                async with aclosing(self._notifications()) as notifications:
                    async for _ in notifications:
                        yield
                        if await asyncio.to_thread(_identity, self._folder) != identity:
                            break
            except (OSError, RuntimeError):  # watchfiles raises RuntimeError for what inotify cannot do
                await asyncio.sleep(self._poll.total_seconds())

    def _notifications(self) -> AsyncGenerator[object, None]:
        return awatch(
            self._folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            rust_timeout=int(self._poll / timedelta(milliseconds=1)),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )

    async def _tell(self, on_change: Callable[[FolderChange], None]) -> None:
        before = _by_text(self._problems)
        change = await self.load_all()
        if change.models or _by_text(change.problems) != before:
            on_change(change)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _by_text(problems: Mapping[str, Faults]) -> Mapping[str, list[str]]:
    return {path: [str(fault) for fault in faults] for path, faults in problems.items()}
