"""Lists, page by page: by model, from where an earlier page ended.

**Invariant**: a page costs the models that it shows, and those that a filter passes over, some hundreds at
one reading; nothing is kept between two pages, so a model that appears meanwhile shifts none of them.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from controller.control.library import Key, Readings
from controller.control.views import StatusView
from controller.domain.vocabulary import Phase
from controller.errors import StoreUnavailable
from controller.web.documents import ModelList, ModelView, RolloutPage
from controller.web.parts import Parts, Sight, key_in, token_after

MOST_ON_A_PAGE = 500
MODELS_AT_ONCE = 250
"""Models whose rollouts are read together: between two readings others have their turn."""


def _matching(keys: Iterable[Key], search: str, after: Key) -> list[Key]:
    return sorted(key for key in set(keys) if key > after and search in key[0])


async def models_page(
    parts: Parts, sight: Sight, search: str, phase: Phase | None, after: str | None, limit: int
) -> ModelList:
    """The models that have a policy or a rollout, each with its newest rollout."""
    with_rollout = {*await sight.readings.models()}
    policies = {
        (model, place): policy.digest
        for model, policy in parts.shelf.current().items()
        if (place := parts.library.place(policy)) in sight.namespaces
    }
    valid = parts.shelf.validity()
    found: list[ModelView] = []
    keys = _matching(with_rollout | policies.keys(), search, key_in(after))
    async for key, rollouts in statuses(sight.readings, keys, at_most=limit + 1):
        newest = rollouts[:1]
        if phase is not None and not any(each.phase is phase for each in newest):
            continue
        if len(found) == limit:
            return ModelList(items=tuple(found), following=token_after(_key(found[-1])))
        found.append(_model(key, newest, policies.get(key), valid))
    return ModelList(items=tuple(found))


async def rollouts_page(
    readings: Readings, search: str, phase: Phase | None, after: str | None, limit: int
) -> RolloutPage:
    """Each model's newest rollout and the older ones that are not over; ``limit`` models at most."""
    found: list[StatusView] = []
    shown: list[Key] = []
    keys = _matching(await readings.models(), search, key_in(after))
    async for key, rollouts in statuses(readings, keys, at_most=limit + 1):
        fitting = [each for each in rollouts if phase in (None, each.phase)]
        if fitting and len(shown) == limit:
            return RolloutPage(items=tuple(found), following=token_after(shown[-1]))
        if fitting:
            found += fitting
            shown.append(key)
    return RolloutPage(items=tuple(found))


async def statuses(
    readings: Readings, keys: Sequence[Key], at_most: int = MODELS_AT_ONCE
) -> AsyncIterator[tuple[Key, Sequence[StatusView]]]:
    """Each model's newest rollout and the older ones that are not over, newest first; read in groups."""
    size = min(at_most, MODELS_AT_ONCE)
    for begin in range(0, len(keys), size):
        group = keys[begin : begin + size]
        for key, found in (await _of(readings, group)).items():
            yield key, found


async def _of(readings: Readings, keys: Sequence[Key]) -> Mapping[Key, Sequence[StatusView]]:
    """None of a model whose record cannot be read, which must not hide the others."""
    found: dict[Key, list[StatusView]] = {key: [] for key in keys}
    try:
        for each in (await readings.current(keys)).items:
            found[each.model, each.namespace or ""].append(each)
    except StoreUnavailable:
        if len(keys) > 1:
            return {key: views for one in keys for key, views in (await _of(readings, [one])).items()}
    return found


def _key(view: ModelView) -> Key:
    return view.model, view.namespace or ""


def _model(
    key: Key, newest: Sequence[StatusView], policy: str | None, valid: Mapping[str, bool]
) -> ModelView:
    model, namespace = key
    return ModelView(
        model=model,
        namespace=namespace or None,
        policy=policy,
        valid=None if policy is None else valid.get(model, False),
        rollout=newest[0] if newest else None,
    )
