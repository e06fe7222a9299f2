"""The policies that a daemon would go by: of a folder, or of the ConfigMaps that are mounted as one."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.registry import catalogue
from controller.cli.doctor.findings import Finding, failed, ok, some
from controller.domain.policy import Policy
from controller.policy.folder import folder_problem, read_folder, settle
from controller.policy.source import UnreadableError

_EXPLAIN = "serinus explain"
_KEY = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,253}")
"""What a ConfigMap's key may be. **Source**: core/v1 ConfigMap."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies in force, and what there is to say of the files."""

    policies: tuple[Policy, ...]
    findings: tuple[Finding, ...]


def of_folder(folder: Path, shown: str | None = None, fill: str = _EXPLAIN) -> Rules:
    """Read as the daemon does; ``shown`` is the folder for people, ``fill`` how files get there."""
    where = shown or str(folder)
    try:
        settled, problems = settle(folder, {}, read_folder(folder, catalogue(), {}))
    except UnreadableError as error:
        settled, problems = {}, folder_problem(folder, error)
    policies = tuple(settled[model].policy for model in sorted(settled))
    found = []
    for path, faults in problems.items():
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        first = faults[0]
        field = f"{first.field}: " if first.field else ""
        message = f"line {first.line}: {field}{first.sentence}{more}"
        found.append(failed("policy", f"{where}/{Path(path).name}", message, first.suggestion or _EXPLAIN))
    if not policies and not found:
        found.append(failed("policy", where, "there is no policy file", fill))
    elif policies:
        models = some([policy.model for policy in policies])
        found.insert(0, ok("policy", where, f"{len(policies)} valid: {models}"))
    return Rules(policies, tuple(found))


def of_config_maps(config_maps: Iterable[Obj], namespace: str, names: Sequence[str]) -> Rules:
    """The same of what a pod finds mounted: each key is a file; the later ConfigMap wins."""
    fill = f"kubectl create configmap {names[0]} -n {namespace} --from-file FOLDER"
    with tempfile.TemporaryDirectory() as folder:
        for config_map in config_maps:
            for name, content in mapping(config_map.get("data")).items():
                if isinstance(content, str) and _KEY.fullmatch(name):
                    (Path(folder) / name).write_bytes(content.encode(errors="replace"))
        return of_folder(Path(folder), f"configmap {namespace}/{','.join(names)}", fill)
