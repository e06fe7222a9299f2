"""Versions that only their answers tell apart, on real parts: really trained, served, asked and evaluated."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from controller.domain.vocabulary import Phase, Reason
from deploy.local.render import EngineTarget
from deploy.local.serving import graphs, train, tumor_models
from deploy.local.stack import Service
from deploy.local.stage import MODEL
from tests.e2e.harness import Harness
from tests.e2e.policies import Fields, step
from tests.e2e.proof import assert_gapless
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.integration

STEPS = (step("20%", "2s"), step("50%", "2s"))
GOLDEN = "tumor-labels.golden.yaml"
WITHIN = 120
SERVED = 'rest_server_request_duration_seconds_bucket{model_version="$version",path=~".*infer"}'


def judged(**checks: Fields) -> Fields:
    errors = {"max": "2%", "worse_by": "1pp"}
    return {"judge": "sequential", "checks": {"errors": errors, **checks}, "bake": "1s"}


@pytest.fixture(scope="module")
def engines(whole_harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """``equal`` learnt from other samples of what v1 learnt from; ``worse`` lost two of three features."""
    stage, data = whole_harness.stage, tumor_models.Data.load()
    again = np.random.default_rng(1).choice(len(data.train), len(data.train))
    columns = {"equal": tumor_models.FEW_COLUMNS, "worse": tumor_models.FEW_COLUMNS[-1:]}
    started: dict[str, Service] = {}
    for version, kept in columns.items():
        few = ColumnTransformer([("few", "passthrough", kept)])
        fitted = make_pipeline(few, StandardScaler(), LogisticRegression())
        fitted.fit(data.train[again], data.train_labels[again])
        folder = tmp_path_factory.mktemp(version)
        train.replace(folder / "model.onnx", graphs.exported(fitted, data.train).SerializeToString())
        parameters = {"version": version, "uri": "./model.onnx"}
        settings = {"name": MODEL, "implementation": train.RUNTIME, "parameters": parameters}
        (folder / "model-settings.json").write_text(json.dumps(settings))
        started[version] = stage.stack.model_server(folder)
    _scrape(whole_harness, started)
    _write_labels(stage.daemon.policies / GOLDEN, data)
    yield {version: f"127.0.0.1:{service.port}" for version, service in started.items()}
    _scrape(whole_harness, {})
    for service in started.values():
        service.stop(5)


def _scrape(harness: Harness, more: dict[str, Service]) -> None:
    stage = harness.stage
    stage.stack.engines(
        EngineTarget(MODEL, version, service.metrics_port)
        for version, service in {**stage.engines, **more}.items()
    )


def _write_labels(path: Path, data: tumor_models.Data) -> None:
    """Every held-out row with its label."""
    requests = [
        {
            "name": f"row {number}",
            "body": tumor_models.request_body(row[None]),
            "expect": {"numbers": {"at": "outputs[0].data", "equals": [int(label)]}},
        }
        for number, (row, label) in enumerate(zip(data.held_out, data.held_out_labels, strict=True))
    ]
    where = f"/v2/models/{MODEL}/infer"
    path.write_text(json.dumps({"protocol": "oip-v2", "path": where, "requests": requests}))


ACCURACY: Fields = {"golden": GOLDEN, "worse_by": "10pp", "every": "10s", "requests": 200}


def test_a_version_with_worse_answers_is_stopped_though_it_is_as_fast_and_never_fails(
    harness: Harness, engines: dict[str, str]
) -> None:
    model = harness.model(STEPS, **judged(accuracy=ACCURACY))
    with harness.traffic(model, 100) as stream:
        rollout = harness.deploy(model, "worse", engines["worse"])
        status = harness.until(rollout, Phase.ROLLED_BACK, within=WITHIN)
        assert stream.stop().failed == 0, "no user saw an error"
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("accuracy "), status.message
    assert "is worse than stable's" in status.message
    assert harness.ask(model, 30) == {f"{model}@v1": 30}
    stored = harness.stored(rollout)
    trials = [seen for entry in stored if entry.observation for seen in entry.observation.trials]
    assert len(trials) > 1
    assert all(seen.pairs is not None and seen.pairs.n == 200 for seen in trials)
    why = harness.cli("why", rollout).stdout
    assert "cases, stable " in why
    assert "the last trial: golden request row " in why
    assert_gapless(harness.entries(rollout))


def test_an_equal_version_is_promoted_and_its_histogram_is_compared(
    harness: Harness, engines: dict[str, str]
) -> None:
    drift = {"psi": 0.5, "histogram": SERVED, "report_only": True}
    model = harness.model(STEPS, **judged(accuracy=ACCURACY, served_drift=drift))
    with harness.traffic(model, 100):
        rollout = harness.deploy(model, "equal", engines["equal"])
        harness.until(rollout, Phase.SUCCEEDED, within=WITHIN)
    stored = harness.stored(rollout)
    promoted = next(entry for entry in stored if entry.phase is Phase.PROMOTING)
    checks = {check.name: check for check in promoted.assessment.checks}
    assert checks["accuracy"].reason is Reason.SHOWN_GOOD
    assert checks["accuracy"].requests >= 400
    assert checks["served_drift"].value is not None
    assert checks["served_drift"].strength is not None
    assert checks["served_drift"].strength.interval is not None


@pytest.fixture
def desk(harness: Harness) -> Iterator[Receiver]:
    """An evaluation ``desk`` of the daemon, which is started anew for it."""
    prefix = "SERINUS_EVALUATIONS__DESK__"
    with receiving() as started:
        own = {"URL": f"{started.url}score", "PRIVATE_ADDRESSES": "true", "PLAIN_HTTP": "true"}
        with harness.daemon_with_settings({prefix + name: value for name, value in own.items()}):
            yield started


def test_an_evaluation_that_talks_nonsense_holds_and_a_bad_score_rolls_back(
    harness: Harness, desk: Receiver
) -> None:
    desk.answer = b'{"score": NaN, "n": 500}'
    helpful = {"evaluation": "desk", "min": "90%", "every": "10s"}
    model = harness.model(STEPS, **judged(helpful=helpful))
    with harness.traffic(model, 100):
        rollout = harness.deploy(model, "v2")
        held = harness.until_status(
            rollout, lambda status: "got no score" in status.message, "held", within=WITHIN
        )
        assert "desk: it answered 200 without a score" in held.message
        assert held.weight == 20
        desk.answer = b'{"passed": 410, "n": 500}'
        status = harness.until(rollout, Phase.ROLLED_BACK, within=WITHIN)
    assert status.message.startswith("helpful 82% is below its limit 90%"), status.message
    asked = desk.of(rollout)
    assert len({each["id"] for each in asked}) > 1
    assert asked[0]["data"]["version"] == "v2"
