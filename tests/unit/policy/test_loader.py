"""A valid file becomes exactly the policy that it says."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters import registry
from controller.domain.capabilities import Capabilities
from controller.domain.policy import (
    ApprovalRules,
    Check,
    CheckKind,
    Fallback,
    GateRules,
    JudgeRules,
    Milestone,
    NoData,
    OnDrift,
    Policy,
    RouteRef,
    Step,
    Validation,
    WorkloadRules,
)
from controller.policy.catalogue import Catalogue, Measures
from controller.policy.loader import load_policy, parse_policy
from controller.policy.source import UnreadableError

GOLDEN = b"protocol: json\npath: /predict\nrequests: [{name: one, body: {}}]\n"
FULL = """\
model: llama-3.1-chat
namespace: prod
route:
  envoy: {prefix: /chat, rewrite: /}
metrics: mlserver
steps:
  - 0.1%
  - {weight: 5%, for: 1h30m, min_requests: 1000, approval: true, gate: audit}
  - {weight: 90%, for: 10s, deadline: 90s}
checks:
  errors: {max: 1%, worse_by: 0.5pp, critical: true}
  latency_p99.9: {max: 1.5s, worse_by: 20%, failures: 5}
  queue: {query: 'max(q{v="$version"})', max: 2.5, report_only: true}
interval: 5s
ready_deadline: 1h
warm_up: {requests: 7}
validation: {golden: golden.json, deadline: 2m}
bake: 20m
deadline: 2d
on_deadline: rollback
no_data: {alert_after: 1m, act_after: 2m, action: hold}
notify: [ml, ops]
approval: {before: [start, promotion], people: 2, within: 4h, on_timeout: rollback, on_deny: hold}
gates:
  - {name: desk, before: [promotion], within: 1h, on_timeout: rollback, on_deny: hold, on_error: rollback}
judge: threshold
"""


def parsed(text: str, catalogue: Catalogue, golden: bytes = GOLDEN) -> Policy:
    policy = parse_policy(text.encode(), "x.yaml", catalogue, lambda _: golden)
    assert isinstance(policy, Policy), policy
    return policy


def faults_of(text: str, catalogue: Catalogue) -> list[str]:
    faults = parse_policy(text.encode(), "x.yaml", catalogue, lambda _: GOLDEN)
    assert isinstance(faults, tuple)
    return [str(fault) for fault in faults]


def test_every_field_arrives_in_the_policy(catalogue: Catalogue) -> None:
    policy = parsed(FULL, catalogue)
    assert policy == Policy(
        model="llama-3.1-chat",
        namespace="prod",
        route=RouteRef("envoy", "/chat", "/"),
        metrics="mlserver",
        steps=(
            Step(1, timedelta(minutes=5), 100, timedelta(hours=1)),
            Step(50, timedelta(minutes=90), 1000, timedelta(hours=6), approval=True, gate="audit"),
            Step(900, timedelta(seconds=10), 100, timedelta(seconds=90)),
        ),
        checks=(
            Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005, critical=True),
            Check(
                "latency_p99.9", CheckKind.QUANTILE, max=1.5, worse_by_ratio=0.2, quantile=0.999, failures=5
            ),
            Check("queue", CheckKind.GAUGE, max=2.5, report_only=True, query='max(q{v="$version"})'),
        ),
        interval=timedelta(seconds=5),
        ready_deadline=timedelta(hours=1),
        warm_up_requests=7,
        validation=Validation("golden.json", timedelta(minutes=2)),
        bake=timedelta(minutes=20),
        deadline=timedelta(days=2),
        on_deadline=Fallback.ROLLBACK,
        no_data=NoData(timedelta(minutes=1), timedelta(minutes=2), Fallback.HOLD),
        notify=("ml", "ops"),
        approval=ApprovalRules(
            (Milestone.START, Milestone.PROMOTION), 2, timedelta(hours=4), Fallback.ROLLBACK, Fallback.HOLD
        ),
        gates=(
            GateRules(
                "desk",
                (Milestone.PROMOTION,),
                timedelta(hours=1),
                Fallback.ROLLBACK,
                Fallback.HOLD,
                Fallback.ROLLBACK,
            ),
        ),
        judge="threshold",
        digest=policy.digest,
    )


def test_what_is_left_out_has_the_defaults_of_the_domain(policy_text: str, catalogue: Catalogue) -> None:
    policy = parsed(policy_text, catalogue)
    assert policy == Policy(
        model="fraud-detector",
        namespace="default",
        route=RouteRef("envoy", "/v2/models/fraud-detector"),
        metrics="envoy",
        steps=tuple(Step(weight, timedelta(minutes=5), 100, timedelta(hours=1)) for weight in (10, 50)),
        checks=(Check("errors", CheckKind.RATIO, max=0.01),),
        digest=policy.digest,
    )


def test_the_digest_tells_texts_and_golden_files_apart(policy_text: str, catalogue: Catalogue) -> None:
    text = policy_text + "validation: {golden: g.yaml}\n"
    digests = {
        parsed(policy_text, catalogue).digest,
        parsed(policy_text + "# a comment\n", catalogue).digest,
        parsed(text, catalogue).digest,
        parsed(text, catalogue, GOLDEN + b"# changed\n").digest,
    }
    assert len(digests) == 4
    assert all(len(digest) == 64 for digest in digests)
    assert parsed(text, catalogue).digest == parsed(text, catalogue).digest


def test_names_that_the_catalogue_knows_are_allowed(policy_text: str) -> None:
    catalogue = Catalogue({"istio": Capabilities()}, {"istio": Measures()}, frozenset({"sequential"}))
    text = policy_text.replace("{envoy: /v2/models/fraud-detector}", "{istio: fraud}").replace(
        "envoy", "istio"
    )
    policy = parsed(text + "judge: sequential\n", catalogue)
    assert (policy.route, policy.metrics, policy.judge) == (
        RouteRef("istio", "fraud"),
        "istio",
        "sequential",
    )


@pytest.mark.parametrize(
    ("written", "route"),
    [
        ("{inferenceService: fraud}", RouteRef("inferenceService", "fraud")),
        ("{inferenceService: {name: fraud}}", RouteRef("inferenceService", "fraud")),
        ("{llmInferenceService: chat}", RouteRef("llmInferenceService", "chat")),
        (
            "{llmInferenceService: {name: chat, stable: chat-v1}}",
            RouteRef("llmInferenceService", "chat", stable="chat-v1"),
        ),
    ],
)
def test_routes_of_kserve(policy_text: str, catalogue: Catalogue, written: str, route: RouteRef) -> None:
    text = policy_text.replace("{envoy: /v2/models/fraud-detector}", written)
    assert parsed(text, catalogue).route == route


@pytest.mark.parametrize("kind", ["httpRoute", "grpcRoute"])
@pytest.mark.parametrize(
    ("address", "rule", "stable"),
    [
        ("fraud", None, None),
        ("{name: fraud}", None, None),
        ("{name: fraud, rule: infer}", "infer", None),
        ("{name: fraud, rule: infer, stable: fraud-v1}", "infer", "fraud-v1"),
    ],
)
def test_a_route_of_a_cluster_is_an_object_s_name(
    kind: str, address: str, rule: str | None, stable: str | None, policy_text: str, catalogue: Catalogue
) -> None:
    text = policy_text.replace("{envoy: /v2/models/fraud-detector}", f"{{{kind}: {address}}}")
    assert parsed(text, catalogue).route == RouteRef(kind, "fraud", rule=rule, stable=stable)


@pytest.mark.parametrize(
    ("address", "model", "stable"),
    [
        ("food-review", None, None),
        ("{name: food-review}", None, None),
        ("{name: food-review, model: org/Food_Review:8b, stable: food_v1}", "org/Food_Review:8b", "food_v1"),
    ],
)
def test_a_rewrite_s_rule_is_found_by_the_model_that_requests_ask_for(
    address: str, model: str | None, stable: str | None, policy_text: str
) -> None:
    built_in = registry.catalogue()
    text = policy_text.replace("{envoy: /v2/models/fraud-detector}", f"{{inferenceModelRewrite: {address}}}")
    text = text.replace("metrics: envoy", "metrics: epp-lora")
    assert parsed(text, built_in).route == RouteRef(
        "inferenceModelRewrite", "food-review", rule=model, stable=stable
    )


def test_the_fields_of_a_cluster_arrive_in_the_policy(policy_text: str, catalogue: Catalogue) -> None:
    text = policy_text.replace("{envoy: /v2/models/fraud-detector}", "{httpRoute: fraud}")
    rules = "workload: {discover: true, scale: true, drain: 10m, keep_for: 7d, history: 0}\n"
    policy = parsed(f"{text}on_drift: restore\n{rules}", catalogue)
    assert policy.on_drift is OnDrift.RESTORE
    assert policy.workload == WorkloadRules(
        discover=True, scale=True, drain=timedelta(minutes=10), keep_for=timedelta(days=7), history=0
    )
    assert parsed(text, catalogue).workload == WorkloadRules()


@pytest.mark.parametrize(
    ("budget", "confidence", "promote", "rules"),
    [
        ("20 bad requests", "99%", "1.5x", JudgeRules()),
        ("1 bad request", "95%", "1.01x", JudgeRules(0.95, 1, 1.01)),
        ("10000", "99.99%", "10x", JudgeRules(0.9999, 10_000, 10)),
    ],
)
def test_what_the_sequential_judge_is_told_arrives_in_the_policy(
    budget: str, confidence: str, promote: str, rules: JudgeRules, policy_text: str, catalogue: Catalogue
) -> None:
    fields = f"budget: {budget}\nconfidence: {confidence}\npromote_if_not_worse_than: {promote}\n"
    policy = parsed(f"{policy_text}judge: sequential\n{fields}", catalogue)
    assert (policy.judge, policy.judge_rules) == ("sequential", rules)
    assert not policy.auto_steps


@pytest.mark.parametrize(
    ("steps", "weights"),
    [
        ("auto", [10, 20, 30, 40, 50, 70, 90, 120, 160, 220, 300, 420, 500]),
        ("{max_weight: 50%}", [10, 20, 30, 40, 50, 70, 90, 120, 160, 220, 300, 420, 500]),
        ("{max_weight: 7.5%}", [10, 20, 30, 40, 50, 70, 75]),
        ("{max_weight: 1%}", [10]),
    ],
)
def test_auto_steps_are_a_ladder_up_to_the_ceiling(
    steps: str, weights: list[int], policy_text: str, catalogue: Catalogue
) -> None:
    text = policy_text.replace("[1%, 5%]", steps) + "judge: sequential\n"
    policy = parsed(text, catalogue)
    look, last_look, hour = timedelta(seconds=15), timedelta(seconds=60), timedelta(hours=1)
    assert policy.auto_steps
    assert policy.steps == (
        *(Step(weight, look, 0, hour) for weight in weights[:-1]),
        Step(weights[-1], last_look, 0, hour),
    )


def test_auto_steps_hold_for_the_policy_s_interval(policy_text: str, catalogue: Catalogue) -> None:
    text = policy_text.replace("[1%, 5%]", "{max_weight: 2%}") + "judge: sequential\ninterval: 20m\n"
    look, looks = timedelta(minutes=20), timedelta(minutes=80)
    assert parsed(text, catalogue).steps == (Step(10, look, 0, looks), Step(20, looks, 0, 4 * looks))


LLM = Measures(frozenset({"latency", "ttft"}), frozenset({"aborted"}))
MEASURED = """
  ttft_p95: {max: 750ms, worse_by: 15%}
  latency_p50: {worse_by: 10%}
  aborted: {max: 1%, worse_by: 0.5pp}
  wait_p99.9: {histogram: 'wait_bucket{v="$version"}', max: 2s}
  refused: {bad: 'x{v="$version",a="b"}', of: 'x{v="$version"}', max: 2%}
  depth_p95: {query: 'quantile(0.95, depth{v="$version"})', max: 2}
"""


def test_checks_say_what_they_count(policy_text: str) -> None:
    known = Catalogue({"envoy": Capabilities()}, {"envoy": LLM}, frozenset({"sequential"}))
    found = {check.name: check for check in parsed(policy_text.rstrip() + MEASURED, known).checks}
    assert {
        name: (check.kind, check.quantile, check.measure, check.query, check.of)
        for name, check in found.items()
    } == {
        "errors": (CheckKind.RATIO, None, "", None, None),
        "ttft_p95": (CheckKind.QUANTILE, 0.95, "ttft", None, None),
        "latency_p50": (CheckKind.QUANTILE, 0.5, "", None, None),
        "aborted": (CheckKind.RATIO, None, "aborted", None, None),
        "wait_p99.9": (CheckKind.QUANTILE, 0.999, "", 'wait_bucket{v="$version"}', None),
        "refused": (CheckKind.RATIO, None, "", 'x{v="$version",a="b"}', 'x{v="$version"}'),
        "depth_p95": (CheckKind.GAUGE, None, "", 'quantile(0.95, depth{v="$version"})', None),
    }
    assert found["aborted"].worse_by_points == 0.005


def test_a_check_of_another_pack_s_measure_is_a_fault(policy_text: str) -> None:
    packs = {"envoy": Measures(), "vllm": LLM}
    known = Catalogue({"envoy": Capabilities()}, packs, frozenset({"sequential"}))
    text = policy_text.rstrip() + "\n  ttft_p95: {max: 750ms}\n  aborted: {max: 1%}\n"
    said = "is not measured by the metrics pack envoy and has no"
    assert faults_of(text, known) == [
        f"x.yaml:7:3: checks.ttft_p95: ttft_p95 {said} histogram",
        f"x.yaml:8:3: checks.aborted: aborted {said} query",
    ]


def test_all_faults_are_told_at_once_in_the_order_of_the_file(catalogue: Catalogue) -> None:
    text = (
        FULL.replace("prod", "Prod")
        .replace("5%,", "0.1%,")
        .replace("2m, action", "30s, action")
        .replace("7}", "x}")
    )
    assert [fault.split(": ")[0] for fault in faults_of(text + "extra: 1\n", catalogue)] == [
        "x.yaml:2:12",
        "x.yaml:8:14",
        "x.yaml:16:21",
        "x.yaml:21:39",
        "x.yaml:27:1",
    ]


def test_rules_between_fields_are_told_beside_other_faults(policy_text: str, catalogue: Catalogue) -> None:
    text = policy_text + "warm_up: {requests: 5}\ndeadline: 5m\njudge: x\n"
    assert [fault.split(": ")[1] for fault in faults_of(text, catalogue)] == ["warm_up", "deadline", "judge"]


def test_a_misspelt_key_is_not_told_twice(policy_text: str, catalogue: Catalogue) -> None:
    faults = faults_of(policy_text.replace("metrics:", "metric:"), catalogue)
    assert faults == ["x.yaml:3:1: metric: unknown key"]


@pytest.mark.parametrize("steps", ["[5%, 5%]", "[5%, 1%]", "[{weight: 5%}, 1%]", "[5%, x, 1%]"])
def test_weights_must_rise(steps: str, policy_text: str, catalogue: Catalogue) -> None:
    faults = faults_of(policy_text.replace("[1%, 5%]", steps), catalogue)
    assert any("the same as steps[0]" in fault or "lower than steps[0]" in fault for fault in faults)


def test_golden_faults_are_told_with_the_golden_files_path(
    tmp_path: Path, policy_text: str, catalogue: Catalogue
) -> None:
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "g.yaml").write_text("protocol: json\nrequests: []\n")
    (tmp_path / "x.yaml").write_text(policy_text + "validation: {golden: golden/g.yaml}\nbake: 1\n")
    faults = load_policy(tmp_path / "x.yaml", catalogue)
    assert isinstance(faults, tuple)
    assert [(fault.path, fault.line) for fault in faults] == [
        (str(tmp_path / "x.yaml"), 8),
        (str(tmp_path / "golden" / "g.yaml"), 1),
        (str(tmp_path / "golden" / "g.yaml"), 2),
    ]


def test_a_golden_file_that_cannot_be_read_is_a_fault_at_its_name(
    policy_text: str, catalogue: Catalogue
) -> None:
    def read(name: str) -> bytes:
        raise UnreadableError(f"no {name}")

    text = policy_text + "validation: {golden: g.yaml}\n"
    faults = parse_policy(text.encode(), "x.yaml", catalogue, read)
    assert isinstance(faults, tuple)
    assert [str(fault) for fault in faults] == ["x.yaml:7:22: validation.golden: no g.yaml"]


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path, catalogue: Catalogue) -> None:
    faults = load_policy(tmp_path / "none.yaml", catalogue)
    assert isinstance(faults, tuple)
    assert str(faults[0]).endswith("none.yaml:1:1: the file does not exist")


def test_a_policy_names_its_prometheus_or_is_measured_by_the_usual_one(
    policy_text: str, catalogue: Catalogue
) -> None:
    assert parsed(policy_text, catalogue).prometheus == ""
    assert parsed(f"{policy_text}prometheus: eu-west\n", catalogue).prometheus == "eu-west"
