"""``docs/reference/permissions.md``, from what the adapters declare."""
# ruff: noqa: INP001 - a folder of documents, not a package

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.permissions import Feature, rules
from controller.adapters.kube.rbac import PEOPLE, Rights, added_by, rights
from docs.pages.tables import ORIGIN, table


def page() -> str:
    """The whole document."""
    lines = [
        "# Permissions\n",
        ORIGIN,
        "What Serinus may do, by feature, as the manifests and the chart grant it. It is declared beside the",
        "code that does it, and tests run rollouts under exactly these rights. No Secret can be read.\n",
        "## The daemon\n",
        *_granted("Always", rights(PERMISSIONS, ())),
    ]
    for feature in Feature:
        if feature is not Feature.CORE:
            lines += _granted(f"`{feature}`", added_by(PERMISSIONS, feature))
    lines.append("## People\n")
    for who, needed in PEOPLE.items():
        lines += _granted(f"`serinus-{who}`", Rights([], rules(needed, ()), []))
    return "\n".join(lines)


def _granted(title: str, found: Rights) -> list[str]:
    where = {
        "its own namespace": found.leader,
        "namespaces of policies": found.namespaced,
        "the cluster": found.cluster,
    }
    rows = [
        (
            place,
            rule["apiGroups"][0] or "core",
            ", ".join(f"`{each}`" for each in rule["resources"])
            + (f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""),
            ", ".join(rule["verbs"]),
        )
        for place, rules_there in where.items()
        for rule in rules_there
    ]
    if not rows:
        return [f"### {title}\n", "Nothing beyond the above.\n"]
    return [f"### {title}\n", *table(("in", "group", "resources", "verbs"), rows), ""]
