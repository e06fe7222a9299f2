"""Which metrics packs a policy may name, and what is said of what a pack cannot measure."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.adapters.registry import catalogue
from controller.cli.main import app
from controller.domain.measures import MetricsPage
from controller.domain.policy import CheckKind, Policy
from controller.policy.loader import beside, parse_policy
from controller.policy.packs import explain_pack

KNOWN = catalogue()
USE = "use a gateway's pack: metrics:"
GATEWAYS = f"{USE} ai-gateway, envoy, envoy-gateway, istio, traefik"
PACKS = "packs that measure it"


def said(metrics: str, checks: str, route: str = "httpRoute: fraud") -> list[tuple[str, str]]:
    text = f"model: fraud\nroute: {{{route}}}\nmetrics: {metrics}\nsteps: [1%]\nchecks: {{{checks}}}\n"
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    return [] if isinstance(found, Policy) else [(fault.message, fault.suggestion) for fault in found]


def policy(metrics: str, checks: str) -> Policy:
    text = (
        f"model: fraud\nroute: {{httpRoute: fraud}}\nmetrics: {metrics}\nsteps: [1%]\nchecks: {{{checks}}}\n"
    )
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    assert isinstance(found, Policy), found
    return found


def test_a_pack_that_tells_no_versions_apart_is_refused_with_its_reason() -> None:
    ((sentence, suggestion),) = said("llamacpp", "errors: {max: 1%}")
    assert "llamacpp cannot be used: llama.cpp counts tokens and seconds but neither" in sentence
    assert "none of its series has a label that tells versions apart" in sentence
    assert suggestion == GATEWAYS


@pytest.mark.parametrize(
    ("metrics", "check", "why", "instead"),
    [
        ("kserve", "errors: {max: 1%}", "do not count those that failed", GATEWAYS),
        ("trtllm", "errors: {max: 1%}", "a failed one is in no counter", GATEWAYS),
        ("triton", "latency_p99: {max: 1s}", "a mean (mean_latency) and no quantile", GATEWAYS),
        ("tgi", "ttft_p95: {max: 1s}", "no histogram of the time to the first token", f"{USE} ai-gateway"),
        ("tgi", "truncated: {max: 9%}", "does not count how answers end", f"{PACKS}: trtllm, vllm"),
        ("sglang", "empty: {max: 9%}", "ends at 100 tokens", f"{PACKS}: vllm"),
        ("envoy", "aborted: {max: 9%}", "does not read how an answer ends", f"{PACKS}: sglang, trtllm, vllm"),
        ("istio", "ttft_p95: {max: 1s}", "a stream to its end", f"{PACKS}: ai-gateway, epp, nim, sglang,"),
    ],
)
def test_a_check_that_the_pack_cannot_measure_is_refused_with_the_pack_s_reason_and_who_can(
    metrics: str, check: str, why: str, instead: str
) -> None:
    ((sentence, suggestion),) = said(metrics, check)
    assert f"is not measured by the metrics pack {metrics}: " in sentence
    assert why in sentence
    assert suggestion.startswith(instead)


def test_a_pack_without_errors_still_measures_the_rest() -> None:
    assert not said("kserve", "latency_p99: {max: 1s}")
    own = (
        'failed: {bad: \'x_total{version="$version",ok="no"}\', of: \'x_total{version="$version"}\', max: 1%}'
    )
    assert not said("kserve", f"latency_p99: {{max: 1s}}, {own}")


@pytest.mark.parametrize("metrics", ["envoy-gateway", "traefik"])
def test_a_pack_of_a_cluster_s_gateway_needs_a_route_of_a_cluster(metrics: str) -> None:
    ((sentence, suggestion),) = said(metrics, "errors: {max: 1%}", "envoy: /fraud")
    assert "by names that a cluster's gateway gives them, and a route of the kind envoy has none" in sentence
    assert "metrics: envoy" in suggestion
    assert not said(metrics, "errors: {max: 1%}")


def test_levels_are_checks_by_name_with_limits_in_their_own_units() -> None:
    checks = {
        check.name: check
        for check in policy(
            "vllm", "queue: {max: 5}, kv_cache: {max: 95%}, output_tokens: {worse_by: 20%}, errors: {max: 1%}"
        ).checks
    }
    assert {name: (check.kind, check.max, check.measure) for name, check in checks.items()} == {
        "queue": (CheckKind.GAUGE, 5, "queue"),
        "kv_cache": (CheckKind.GAUGE, 0.95, "kv_cache"),
        "output_tokens": (CheckKind.GAUGE, None, "output_tokens"),
        "errors": (CheckKind.RATIO, 0.01, ""),
    }
    assert checks["output_tokens"].worse_by_ratio == pytest.approx(0.2)
    (mean,) = policy("triton", "mean_latency: {max: 200ms}").checks
    assert mean.max == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("kv_cache: {max: 5}", "5"),
        ("mean_latency: {max: 5}", "5"),
        ("queue: {max: 5s}", "has a unit"),
        ("queue: {worse_by: 2pp}", "only be said of shares"),
        ("queue: {bad: 'x_total{v=\"$version\"}', of: 'x_total{v=\"$version\"}', max: 1%}", "takes no bad"),
    ],
)
def test_a_level_s_limit_has_its_unit(check: str, words: str) -> None:
    assert any(words in sentence for sentence, _ in said("vllm", check))


def test_a_level_may_be_a_query_of_the_policy_s_own() -> None:
    (depth,) = policy("envoy-gateway", "queue: {query: 'max(depth{v=\"$version\"})', max: 5}").checks
    assert (depth.kind, depth.measure) == (CheckKind.GAUGE, "")


def test_a_level_may_have_failures_with_the_sequential_judge() -> None:
    assert not said("vllm", "errors: {max: 1%}, queue: {max: 5, failures: 7}")


AUTO = "model: m\nroute: {httpRoute: m}\nsteps: [1%]\nchecks: {errors: {max: 1%}}\n"


def test_auto_needs_checks_that_some_pack_measures_and_takes_a_page() -> None:
    assert policy("auto", "errors: {max: 1%}, ttft_p95: {max: 1s}, queue: {max: 5}").metrics == "auto"
    ((sentence, _),) = said("auto", "errors: {max: 1%}, speed_p95: {max: 1s}")
    assert "speed_p95 is not measured by the metrics pack" in sentence
    text = f"{AUTO}metrics: auto\nmetrics_page: {{port: 8082, path: /v1/metrics}}\n"
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    assert isinstance(found, Policy)
    assert found.metrics_page == MetricsPage(8082, "/v1/metrics")


@pytest.mark.parametrize(
    ("page", "metrics", "words"),
    [
        ("{port: 8082}", "vllm", "only metrics: auto looks at a page"),
        ("{port: 0}", "auto", "metrics_page.port"),
        ("{path: http://x/}", "auto", "metrics_page.path"),
        ("{path: '/a?b=c'}", "auto", "metrics_page.path"),
        ("{host: x}", "auto", "unknown key"),
    ],
)
def test_a_page_is_a_port_and_a_path_of_the_copy_and_nothing_else(
    page: str, metrics: str, words: str
) -> None:
    text = f"{AUTO}metrics: {metrics}\nmetrics_page: {page}\n"
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    assert isinstance(found, tuple)
    assert any(words in str(fault) for fault in found)


def test_explain_tells_what_a_pack_measures_and_what_not() -> None:
    text = explain_pack("triton", KNOWN)
    assert "Checks: errors, first_response_p99, mean_latency, queue." in text
    assert "No latency: Triton counts microseconds" in text
    assert "Versions are told apart by: model=$model, model_version=$version." in text
    with pytest.raises(LookupError, match="did you mean triton"):
        explain_pack("tritn", KNOWN)


def test_lint_notes_what_to_keep_in_mind_once_for_each_pack(tmp_path: Path) -> None:
    for model in ("a", "b"):
        text = f"model: {model}\nroute: {{httpRoute: {model}}}\nmetrics: kserve\nsteps: [1%]\n"
        (tmp_path / f"{model}.yaml").write_text(text + "checks: {latency_p99: {max: 1s}}\n")
    result = CliRunner().invoke(app, ["lint", str(tmp_path)])
    assert result.exit_code == 0
    assert result.output.count("note: metrics: kserve: Failed predictions are not told from others") == 1
    assert "note:" not in CliRunner().invoke(app, ["lint", "--format", "json", str(tmp_path)]).output


def test_explain_knows_packs_on_the_command_line() -> None:
    assert "metrics: vllm" in CliRunner().invoke(app, ["explain", "metrics.vllm"]).output
    assert CliRunner().invoke(app, ["explain", "metrics.vlm"]).exit_code != 0


REWRITE = "inferenceModelRewrite: fraud"


@pytest.mark.parametrize("metrics", ["epp", "vllm", "envoy", "auto", "nobody"])
def test_of_adapters_in_the_same_pods_only_a_pack_by_their_names_tells(metrics: str) -> None:
    ((sentence, suggestion),) = said(metrics, "queue: {max: 5}", REWRITE)
    assert f"metrics: {metrics} cannot tell adapters apart that run in the same pods" in sentence
    assert suggestion == "use one that goes by the adapter's name: metrics: epp-lora"
    assert said("epp-lora", "errors: {max: 1%}", REWRITE) == []


def test_a_pack_by_adapters_is_for_no_other_route() -> None:
    ((sentence, _),) = said("epp-lora", "errors: {max: 1%}")
    assert "epp-lora tells adapters apart, and a route of kind httpRoute has none" in sentence


def test_the_pool_s_queue_is_no_level_of_an_adapter_and_a_query_of_one_s_own_guards_it() -> None:
    ((sentence, suggestion),) = said("epp-lora", "queue: {max: 5}", REWRITE)
    assert "it is the pool's, whose adapters share it" in sentence
    assert suggestion == "write a check with a query of your own"


@pytest.mark.parametrize("wish", ["discover", "scale"])
def test_a_policy_of_adapters_asks_for_no_copies_of_their_own(wish: str) -> None:
    text = (
        f"model: fraud\nroute: {{{REWRITE}}}\nmetrics: epp-lora\nsteps: [1%]\n"
        f"checks: {{errors: {{max: 1%}}}}\nworkload: {{{wish}: true}}\n"
    )
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    assert not isinstance(found, Policy)
    assert f"{wish}: the adapters of an inferenceModelRewrite share the pods" in found[0].message
