"""Lists, page by page: by model, from where an earlier page ended.

**Invariant**: a page costs the models that it shows, and those that a filter passes over; nothing is kept
between two pages, so a model that appears meanwhile shifts none of them.
"""

from collections.abc import Iterable, Sequence

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
        (model, parts.library.place(policy))
        for model, policy in parts.shelf.current().items()
        if parts.library.place(policy) in sight.namespaces
    }
    found: list[ModelView] = []
    for key in _matching(with_rollout | policies, search, key_in(after)):
        newest = (await _of(sight.readings, key))[:1] if key in with_rollout else []
        if phase is not None and not any(each.phase is phase for each in newest):
            continue
        if len(found) == limit:
            return ModelList(items=tuple(found), following=token_after(_key(found[-1])))
        found.append(_model(parts, key, newest, known=key in policies))
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


def _model(parts: Parts, key: Key, newest: Sequence[StatusView], *, known: bool) -> ModelView:
    model, namespace = key
    return ModelView(
        model=model,
        namespace=namespace or None,
        policy=parts.shelf.current()[model].digest if known else None,
        valid=parts.shelf.validity().get(model, False) if known else None,
        rollout=newest[0] if newest else None,
    )
