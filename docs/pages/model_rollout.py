"""``docs/reference/modelrollout.md``, from the custom resource's schema and the word lists."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterator, Mapping
from typing import Any

from controller.adapters.kube.conditions import Condition
from controller.adapters.kube.crd import model_rollout_crd
from controller.domain.vocabulary import Phase
from docs.pages.tables import ORIGIN, table

Obj = dict[str, Any]

CONDITIONS: Mapping[Condition, tuple[str, str, str]] = {
    Condition.PROGRESSING: ("it goes on by itself", "it is over, however it ended", "a person has to decide"),
    Condition.HEALTHY: (
        "the checks pass, or it succeeded",
        "the version was found to be bad",
        "not known yet",
    ),
    Condition.PROMOTED: (
        "it serves everyone and the bake is over",
        "it ended without that",
        "it is not over",
    ),
    Condition.ROLLED_BACK: (
        "its traffic was taken away because of harm",
        "it ended otherwise",
        "it is not over",
    ),
    Condition.POLICY_VALID: ("a valid policy rules it", "there is none, so it cannot begin", "not known yet"),
    Condition.METRICS_AVAILABLE: (
        "the metric source gives answers that can be trusted",
        "it does not",
        "it was not asked yet",
    ),
    Condition.DRIFT_FREE: (
        "the route is as Serinus asked",
        "somebody else changed it",
        "it was not seen yet",
    ),
}
"""What each condition says when it is True, False and Unknown."""


def page() -> str:
    """The whole document."""
    version = model_rollout_crd()["spec"]["versions"][0]
    whole = version["schema"]["openAPIV3Schema"]
    parts = whole["properties"]
    checked = [
        *(rule["message"] for rule in whole["x-kubernetes-validations"]),
        *(rule["message"] for rule in parts["spec"]["x-kubernetes-validations"]),
    ]
    return "\n".join(
        [
            "# ModelRollout\n",
            ORIGIN,
            "One object for each release of a model: `serinus.dev/v1alpha1`, namespaced, short name `mro`.",
            "How to use it: [deploy a new version](../how-to/deploy-a-new-version.md).\n",
            "## spec\n",
            *_fields(parts["spec"], "spec", required=True),
            "\nThe API server (from 1.25 on) refuses with these words:\n",
            *(f"- {message}" for message in dict.fromkeys(checked)),
            "\n## status\n",
            "Written by Serinus alone.\n",
            *_fields({"properties": {**_flat(parts["status"])}}, "status", required=False),
            "\n## Conditions\n",
            "For `kubectl wait --for=condition=TYPE`. Any end is `--for=condition=Progressing=false`.\n",
            *table(
                ("type", "True", "False", "Unknown"),
                ((f"`{kind}`", *says) for kind, says in CONDITIONS.items()),
            ),
            "\n## Phases\n",
            "How they follow one another: [the state machine](../state-machine.md).\n",
            ", ".join(f"`{phase}`" for phase in Phase) + ".\n",
            "## Columns of `kubectl get`\n",
            *table(
                ("column", "field", "shown with"),
                (
                    (column["name"], f"`{column['jsonPath']}`", "`-o wide`" if column["priority"] else "")
                    for column in version["additionalPrinterColumns"]
                ),
            ),
            "\n## Reasons\n",
            "What `status.reason` and the conditions say: [reasons](reasons.md).",
            "",
        ]
    )


def _fields(schema: Obj, root: str, *, required: bool) -> list[str]:
    rows = []
    for path, field, needed in _leaves(schema, root):
        cells = (f"`{path}`", _type(field), field.get("description", ""))
        rows.append((*cells, "required" if needed else "") if required else cells)
    head = ("field", "type", "meaning", "") if required else ("field", "type", "meaning")
    return list(table(head, rows))


def _flat(status: Obj) -> Obj:
    """The fields of a status without what is below them, which `kubectl explain` shows."""
    return {
        name: {key: value for key, value in field.items() if key not in {"properties", "items"}}
        | ({"items": {"type": field["items"]["type"]}} if "items" in field else {})
        for name, field in status["properties"].items()
    }


def _leaves(schema: Obj, path: str) -> Iterator[tuple[str, Obj, bool]]:
    """Every field below, parents first."""
    for name, field in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        yield below, field, name in schema.get("required", ())
        inner, suffix = (field["items"], "[]") if field.get("type") == "array" else (field, "")
        yield from _leaves(inner, below + suffix)


def _type(field: Obj) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{each}`" for each in field["enum"])
    if field.get("type") == "array":
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list of {_type(field['items'])}{most}"
    if field.get("format") == "date-time":
        return "time"
    bounds = [f"from {field['minimum']}"] if "minimum" in field else []
    bounds += [f"to {field['maximum']}"] if field.get("maximum", 2**53) < 2**53 else []
    bounds += [f"at most {field['maxLength']} characters"] if "maxLength" in field else []
    return " ".join([str(field.get("type", "")), *([f"({', '.join(bounds)})"] if bounds else [])])
