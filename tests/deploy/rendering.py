"""What kustomize and Helm make of ``deploy/``: lists of JSON objects."""

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local.stack import REPOSITORY, StackError, find_program

Obj = dict[str, Any]

KUSTOMIZE = REPOSITORY / "deploy" / "kubernetes"
CHART = REPOSITORY / "deploy" / "helm" / "serinus"
OVERLAYS = ("namespace", "cluster")
COMPONENTS = tuple(
    sorted(path.parent.name for path in (KUSTOMIZE / "components").glob("*/kustomization.yaml"))
)
_CHART_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def program(name: str) -> str:
    """The program's path; without it the test is skipped."""
    try:
        return find_program(name)
    except StackError as missing:
        pytest.skip(str(missing))


def loaded(text: str) -> list[Obj]:
    """The YAML documents of a text, without empty ones."""
    return [found for found in YAML(typ="safe", pure=True).load_all(text) if found]


@cache
def _kustomized(overlay: str, components: tuple[str, ...]) -> str:
    with TemporaryDirectory() as folder:
        there = os.path.relpath(KUSTOMIZE, Path(folder).resolve())
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{there}/overlays/{overlay}"],
            "components": [f"{there}/components/{name}" for name in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(kustomization))
        return _run(program("kubectl"), "kustomize", folder)


def kustomized(overlay: str, components: Iterable[str] = ()) -> list[Obj]:
    """An overlay with components, as a user's own kustomization puts them together."""
    return loaded(_kustomized(overlay, tuple(components)))


def helm(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run helm, which finds no cluster and no configuration of the user."""
    with TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
        done = subprocess.run(
            (program("helm"), *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment,
        )
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


def charted(values: Mapping[str, Any], *, release: str = "serinus", namespace: str = "serinus") -> list[Obj]:
    """The chart with these values."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.json"
        file.write_text(json.dumps(values))
        done = helm("template", release, str(CHART), "--namespace", namespace, "--values", str(file))
    return loaded(done.stdout)


def named(objects: Iterable[Obj], kind: str, name: str = "serinus") -> Obj:
    """The one object of that kind and name."""
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def granted(rules: Iterable[Obj]) -> set[tuple[str, str, str, str]]:
    """Rules taken apart: group, resource, verb, and the name it is limited to or a blank."""
    return {
        (group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def environment(deployment: Obj) -> dict[str, str]:
    """The first container's variables as its process sees them; those of the downward API by their field.

    **Source**: Kubernetes, "Define Dependent Environment Variables": a reference to a variable that stands
    earlier in the list is replaced, any other is left as it is.
    """
    seen: dict[str, str] = {}
    for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
        if "valueFrom" in variable:
            seen[variable["name"]] = variable["valueFrom"]["fieldRef"]["fieldPath"]
        else:
            seen[variable["name"]] = _REFERENCE.sub(
                lambda reference: seen.get(reference[1], reference[0]), variable.get("value") or ""
            )
    return seen


def comparable(objects: Iterable[Obj], *, without: Collection[str] = ()) -> dict[tuple[str, str, str], Any]:
    """Objects by kind, namespace and name, without what Helm and kustomize each do in their own way.

    That is: Helm's own labels and annotations, the order of rules and variables, and how the features
    come together in one variable.
    """
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): _plain(each)
        for each in objects
        if each["kind"] not in without
    }


def _plain(each: Obj) -> Obj:
    plain: Obj = json.loads(json.dumps(each))
    metadata = plain["metadata"]
    metadata["labels"] = {k: v for k, v in metadata.get("labels", {}).items() if k not in _CHART_LABELS}
    metadata.pop("annotations", None)
    if plain["kind"] == "CustomResourceDefinition":
        metadata.pop("labels")
    if "rules" in plain:
        plain["rules"] = sorted(granted(plain["rules"]))
    if plain["kind"] == "Deployment":
        variables = {k: v for k, v in environment(plain).items() if not k.startswith("FEATURE_")}
        features = json.loads(variables["SERINUS_KUBERNETES__FEATURES"])
        variables["SERINUS_KUBERNETES__FEATURES"] = ",".join(sorted({*features} - {"core"}))
        plain["spec"]["template"]["spec"]["containers"][0]["env"] = variables
    return plain


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
