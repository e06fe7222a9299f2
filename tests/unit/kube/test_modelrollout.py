"""What a ModelRollout may ask for, and what is said about one that may not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.identity import attempt_of, next_attempt, rollout_id
from controller.adapters.kube.modelrollout import (
    ModelRolloutSpec,
    RequestSpec,
    parse_request,
    parse_spec,
    release_of,
)
from controller.domain.release import Backend, BackendKind, Image, Release

FOUND = Backend(BackendKind.SERVICE, "fraud-v7", 80)


def an_object(name: str = "fraud-v7", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"model": "fraud", "version": "v7", **spec},
    }


def parsed(**spec: Any) -> ModelRolloutSpec:
    found = parse_spec(an_object(**spec))
    assert isinstance(found, ModelRolloutSpec), found
    return found


def faults(**spec: Any) -> list[str]:
    found = parse_spec(an_object(**spec))
    assert isinstance(found, list)
    return found


class TestRelease:
    def test_a_named_backend_is_taken_as_it_is(self) -> None:
        spec = parsed(backend={"kind": "Service", "name": "fraud-v7", "port": 8080})
        backend = Backend(BackendKind.SERVICE, "fraud-v7", 8080)
        assert release_of(spec, FOUND) == Release("v7", backend=backend)

    def test_the_kind_is_service_unless_it_is_a_pool(self) -> None:
        assert release_of(parsed(backend={"name": "a"}), None).backend == Backend(BackendKind.SERVICE, "a")
        pool = parsed(backend={"kind": "InferencePool", "name": "a"})
        assert release_of(pool, None).backend == Backend(BackendKind.INFERENCE_POOL, "a")

    @pytest.mark.parametrize("spec", [{}, {"backend": {}}])
    def test_without_a_name_it_is_the_one_that_was_found(self, spec: dict[str, Any]) -> None:
        assert release_of(parsed(**spec), FOUND) == Release("v7", backend=FOUND)
        assert release_of(parsed(**spec), None) == Release("v7")

    def test_a_port_alone_is_that_of_the_found_one(self) -> None:
        found = release_of(parsed(backend={"port": 9000}), FOUND).backend
        assert found == Backend(BackendKind.SERVICE, "fraud-v7", 9000)

    def test_an_image_is_run_with_what_differs(self) -> None:
        overrides = {"container": "server", "args": ["--x"], "env": [{"name": "A", "value": "b"}]}
        spec = parsed(image="registry/fraud:v7", overrides=overrides)
        image = Image("registry/fraud:v7", args=("--x",), env=(("A", "b"),), container="server")
        assert release_of(spec, None) == Release("v7", image=image)

    def test_arguments_may_be_taken_away_or_left(self) -> None:
        taken, left = parsed(image="a", overrides={"args": []}), parsed(image="a", overrides={})
        assert release_of(taken, None).image == Image("a", args=())
        assert release_of(left, None).image == release_of(parsed(image="a"), None).image == Image("a")


class TestFaults:
    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ({"model": "Fraud"}, "spec.model: string should match pattern"),
            ({"model": "f\n"}, "spec.model: string should match pattern"),
            ({"model": 7}, "spec.model: input should be a valid string"),
            ({"version": "v" * 64}, "spec.version: string should have at most 63 characters"),
            ({"version": "v7/.."}, "spec.version: string should match pattern"),
            ({"backend": {"name": "a", "port": 0}}, "spec.backend.port: input should be greater than"),
            ({"backend": {"name": "a", "port": "80"}}, "spec.backend.port: input should be a valid integer"),
            ({"backend": {"kind": "Pod"}}, "spec.backend.kind: input should be 'Service', 'InferencePool'"),
            ({"backend": {"kind": "InferencePool", "port": 1}}, "spec.backend: only a Service has a port"),
            ({"backend": {"kind": "Revision"}}, "spec.backend: only a Service or an InferencePool is found"),
            ({"backend": {"kind": "LLMInferenceService"}}, "spec.backend: only a Service or an Inference"),
            ({"backend": {"subset": "v7"}}, "spec.backend: a subset is of a Service: say its name"),
            (
                {"backend": {"kind": "Revision", "name": "a", "subset": "v7"}},
                "spec.backend: a subset is of a Service",
            ),
            ({"backend": {"name": "a", "subset": "V_7"}}, "spec.backend.subset: string should match"),
            ({"backend": "fraud"}, "spec.backend: is missing, or not a mapping"),
            ({"backend": {}, "image": "a"}, "spec: a release has a backend or an image, not both"),
            ({"overrides": {}}, "spec: overrides need an image"),
            ({"image": "a b"}, "spec.image: string should match pattern"),
            ({"image": ""}, "spec.image: string should"),
            ({"steps": ["5%"]}, "spec.steps: is no field of a ModelRollout: remove it"),
            (
                {"request": {"id": "short", "action": "abort"}},
                "spec.request.id: string should have at least 8",
            ),
            ({"request": {"id": "long-enough", "action": "deploy"}}, "spec.request.action: input should be"),
            ({"request": {"id": "long-enough", "action": "abort", "by": "a\nb"}}, "spec.request.by: string"),
            (
                {"request": {"id": "long-enough", "action": "approve"}},
                "spec.request: an approve or deny says by whom it is: add by",
            ),
            (
                {"request": {"id": "long-enough", "action": "deny", "by": "ann", "note": "a\nb"}},
                "spec.request.note: string",
            ),
            (
                {"image": "a", "overrides": {"env": [{"name": "A"}, {"name": "A"}]}},
                "spec.overrides: env sets A twice: keep one",
            ),
            ({"image": "a", "overrides": {"args": ["a\x00"]}}, "spec.overrides.args[0]: string should match"),
            (
                {"image": "a", "overrides": {"args": ["é" * 4000] * 3}},
                "spec.overrides: 24000 bytes are more than 16384",
            ),
        ],
    )
    def test_each_is_named_with_its_place(self, spec: dict[str, Any], said: str) -> None:
        assert any(fault.startswith(said) for fault in faults(**spec)), faults(**spec)

    def test_all_are_told_at_once(self) -> None:
        found = parse_spec({"metadata": {"name": "a.b"}, "spec": {"version": ""}})
        assert [str(fault).partition(":")[0] for fault in found] == [
            "metadata.name",
            "spec.model",
            "spec.version",
        ]

    @pytest.mark.parametrize("obj", [{}, {"spec": None}, {"metadata": None, "spec": []}, {"metadata": []}])
    def test_what_is_no_object_is_a_fault(self, obj: dict[str, Any]) -> None:
        assert parse_spec(obj)

    @pytest.mark.parametrize("name", ["", "a.b", "-a", "A", "a" * 64, "a\n", None, 3])
    def test_a_name_is_a_label(self, name: Any) -> None:
        (fault,) = parse_spec(an_object(name))
        assert str(fault).startswith("metadata.name: use at most 63 lower-case letters, digits and -")

    def test_a_foreign_key_is_shown_bounded_and_printable(self) -> None:
        (fault,) = faults(**{"\x1b[31m" + "x" * 5000: 1})
        assert fault.isprintable()
        assert len(fault) < 200

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["metadata", "spec", "model", "version", "backend", "name", "request", "x"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    def test_anything_is_parsed_or_refused(self, value: Any) -> None:
        obj = value if isinstance(value, dict) else {"spec": value, "metadata": value}
        assert parse_spec(obj)
        parse_request(obj)


class TestRequest:
    def test_it_is_read_whatever_became_of_the_rest(self) -> None:
        obj = an_object(model="", request={"id": "0123-4567", "action": "abort"})
        assert parse_request(obj) == RequestSpec(id="0123-4567", action="abort")

    def test_somebody_asks_unless_it_says_who(self) -> None:
        assert RequestSpec(id="0123-4567", action="abort").actor == "somebody"
        assert RequestSpec(id="0123-4567", action="abort", by="ann").actor == "ann"

    def test_a_broken_one_is_a_fault_and_none_is_none(self) -> None:
        assert parse_request(an_object()) is None
        assert parse_request(an_object(request={"id": "0123-4567"})) == ["spec.request.action: is missing"]


class TestIds:
    @given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), st.integers(1, 10**9 - 1))
    def test_an_id_is_read_as_it_was_written(self, name: str, attempt: int) -> None:
        assert attempt_of(rollout_id(name, attempt)) == (name, attempt)

    def test_attempts_are_numbered_from_the_second_on(self) -> None:
        assert [rollout_id("a", 1), next_attempt("a"), next_attempt("a.2")] == ["a", "a.2", "a.3"]

    @pytest.mark.parametrize("odd", ["a.1", "a.0", "a.02", "a.", "a.b", "a.2.3", ".2"])
    def test_another_form_is_no_attempt(self, odd: str) -> None:
        assert attempt_of(odd)[1] in (1, 2)
        assert rollout_id(*attempt_of(odd)) == odd
