"""Lists of many models cost the store a few readings, whichever way they are asked for."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from controller.dashboard.routes import pages
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.errors import StoreUnavailable
from controller.web.application import ROOT
from tests.fakes import a_policy
from tests.unit.control.stage import ended, progressing
from tests.unit.web.stage import Site, Stream

MODELS = 600
GROUPS = 3
"""Of 250 models at most."""


@pytest.fixture
def site() -> Site:
    """Models with a policy, a rollout that is over and one that is not; nothing was read so far."""
    site = Site(pages=pages())
    for number in range(MODELS):
        name = f"model-{number:04}"
        site.stage.policies.in_force[name] = a_policy(model=name)
        site.begin(replace(ended(Phase.SUCCEEDED, Reason.PROMOTED), id=f"{name}-1", model=name))
        site.begin(replace(progressing(), id=f"{name}-2", model=name))
    site.stage.store.readings = 0
    return site


@pytest.mark.parametrize(
    ("path", "groups", "models"),
    [
        ("/models?limit=100", 1, 100),
        ("/models?limit=500", GROUPS, 500),
        ("/rollouts?limit=500", GROUPS, 500),
        ("/rollouts?limit=100&model=model-05", 1, 100),
        ("/rollouts?limit=500&phase=Succeeded", GROUPS, 0),
    ],
)
async def test_a_page_costs_a_few_readings(site: Site, path: str, groups: int, models: int) -> None:
    page = (await site.ask("GET", ROOT + path)).json()
    assert len(page["items"]) == models
    assert site.stage.store.readings == 1 + groups


async def test_the_dashboard_costs_a_few_readings(site: Site) -> None:
    page = await site.ask("GET", "/")
    assert f"{MODELS}" in page.text
    assert site.stage.store.readings == 1 + GROUPS


async def test_the_command_line_costs_a_few_readings(site: Site) -> None:
    assert len((await site.stage.service.get(None)).items) == MODELS
    assert site.stage.store.readings == 1 + GROUPS


async def test_who_begins_to_follow_costs_a_few_readings(site: Site) -> None:
    stream = Stream(site.app)
    await stream.start()
    events = [await stream.next() for _ in range(MODELS + 1)]
    await stream.close()
    assert [kind for kind, _, _ in events] == ["rollout"] * MODELS + ["ready"]
    assert site.stage.store.readings == 1 + GROUPS


async def test_a_record_that_cannot_be_read_hides_its_own_model_only(site: Site) -> None:
    current = site.stage.store.current

    async def torn(wanted: Collection[str]) -> Sequence[Rollout]:
        if "model-0002" in wanted:
            raise StoreUnavailable("a stored record cannot be read")
        return await current(wanted)

    site.stage.store.current = torn  # type: ignore[method-assign,assignment]
    rollouts = (await site.ask("GET", f"{ROOT}/rollouts?limit=5")).json()["items"]
    assert [each["model"] for each in rollouts] == [f"model-000{number}" for number in (0, 1, 3, 4, 5)]
    models = (await site.ask("GET", f"{ROOT}/models?limit=5")).json()["items"]
    assert [each["model"] for each in models if each["rollout"] is None] == ["fraud", "model-0002"]
