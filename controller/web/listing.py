"""Lists, page by page: by model, from where an earlier page ended.

**Invariant**: a page costs the models that it shows, and those that a filter passes over; nothing is kept
between two pages, so a model that appears meanwhile shifts none of them.
"""

from collections.abc import Iterable, Mapping, Sequence

from controller.control.library import Key, Readings
from controller.control.views import StatusView
from controller.domain.vocabulary import Phase
from controller.errors import StoreUnavailable
from controller.web.documents import ModelList, ModelView, RolloutPage
from controller.web.parts import Parts, Sight, key_in, placed, token_after

MOST_ON_A_PAGE = 500


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
    for key in _matching(with_rollout | policies.keys(), search, key_in(after)):
        newest = (await _of(sight.readings, key))[:1] if key in with_rollout else []
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
    for key in _matching(await readings.models(), search, key_in(after)):
        fitting = [each for each in await _of(readings, key) if phase in (None, each.phase)]
        if fitting and len(shown) == limit:
            return RolloutPage(items=tuple(found), following=token_after(shown[-1]))
        if fitting:
            found += fitting
            shown.append(key)
    return RolloutPage(items=tuple(found))


async def _of(readings: Readings, key: Key) -> Sequence[StatusView]:
    """Newest first; none of a model whose record cannot be read, which must not hide the others."""
    try:
        return (await readings.get(placed(key[1], key[0]))).items
    except StoreUnavailable:
        return ()


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
