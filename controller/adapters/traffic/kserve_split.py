"""What both ways of KServe to divide requests have in common: whole percents, and what is no split. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.traffic.kserve_service import files_of
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.wording import percent
from controller.errors import InvariantError, TargetError

PERMILLE = 10
"""Of one percent, the finest that KServe knows."""
_ALL = 100


@dataclass(frozen=True, slots=True)
class Held:
    """What an object holds. ``strange`` says that it cannot be read as a split at all."""

    split: Split
    strange: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A split in KServe's terms: the release whose model is to be there, and its percentage.

    Without a percentage it is the only one.
    """

    release: Release
    percent: int | None


def wanted(routed: RoutedModel, split: Split) -> Wanted:
    """Raises `TargetError` where KServe cannot express it: it never serves nobody, or a half percent."""
    stable, canary = routed.stable, routed.canary
    if split.canary is None and split.stable is not None:
        named = next(
            (each for each in (stable, canary) if each and each.version == split.stable.version), None
        )
        if named is None:
            raise InvariantError(f"{routed.model}: a split of {split.stable.version} is not this rollout's")
        return Wanted(named, None)
    if split.canary is None or split.stable is None or canary is None:
        raise TargetError(
            f"KServe always sends requests to some model of the InferenceService {routed.route.name}"
        )
    if split.weight_permille % PERMILLE:
        raise TargetError(f"KServe divides in whole percents, not by {percent(split.weight_permille)}")
    return Wanted(canary, split.weight_permille // PERMILLE)


def beside(routed: RoutedModel, share: int) -> Split:
    """The split in which the canary has so many percent: 0 is none, 100 all, with stable still there."""
    if share == 0:
        return Split(stable=routed.stable)
    return Split(routed.stable, routed.canary, share * PERMILLE)


def unlike_any(routed: RoutedModel, share: int | None) -> Held:
    """A split that no rollout asks for, near the share that somebody gave to what is not the rollout's."""
    near = min(max((share or 0) * PERMILLE, 1), FULL_WEIGHT_PERMILLE - 1)
    free = [each for each in range(1, FULL_WEIGHT_PERMILLE) if each not in routed.steps_permille]
    weight = min(free, key=lambda each: abs(each - near))
    return Held(Split(routed.stable, routed.canary, weight), strange=True)


def somebody_else(uri: str) -> Held:
    """The InferenceService runs a model that is neither version's."""
    return Held(Split(stable=Release(uri or "another model", backend=Backend(BackendKind.STORAGE_URI, uri))))


def of_files(uri: str, known: Sequence[Release], name: str) -> Release:
    """The release with these files, as it is known, else called by the ``name``."""
    found = (release for release in known if files_of(release) == uri)
    return next(found, Release(name, backend=Backend(BackendKind.STORAGE_URI, uri)))


def shares_of(held: Held, routed: RoutedModel) -> dict[str, int]:
    """What each model's files must get for that, in percent; those that get nothing are left out."""
    split, canary = held.split, files_of(routed.canary)
    if split.canary is None:
        return {files_of(split.stable): _ALL}
    given = split.weight_permille // PERMILLE
    return {uri: share for uri, share in ((files_of(split.stable), _ALL - given), (canary, given)) if share}
