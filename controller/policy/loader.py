"""One policy file to a `Policy`, or to every fault it has.

A file is whole or not at all: nothing of a faulty file takes effect. Faults are values, because they are
what a linter is for.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from controller.domain.measures import MetricsPage
from controller.domain.policy import ApprovalRules, Fallback, JudgeRules, NoData, OnDrift, Policy, Validation
from controller.policy.audience import counts_mixed
from controller.policy.catalogue import Catalogue
from controller.policy.checks import to_check
from controller.policy.document import Limits, parse_document
from controller.policy.faults import Mark, PolicyFault, Source
from controller.policy.findings import check
from controller.policy.golden_file import GOLDEN_LIMITS
from controller.policy.golden_reading import ReadBeside, read_golden
from controller.policy.schema import PolicySection
from controller.policy.source import UnreadableError, decode, read_within
from controller.policy.steps import AutoSteps, to_steps
from controller.policy.tree import Document, MappingNode, ScalarNode

POLICY_LIMITS = Limits(size_bytes=256 * 1024, nodes=2000, depth=32)
Faults = tuple[PolicyFault, ...]
"""At least one fault, in the order of the file; those of golden files last."""


def load_policy(path: Path, catalogue: Catalogue) -> Policy | Faults:
    """Read a policy file and the golden files it names."""
    try:
        raw = read_within(path.parent, path.name, POLICY_LIMITS.size_bytes)
    except UnreadableError as error:
        return (PolicyFault(Source(str(path)), Mark(), "", str(error), "check its name and permissions"),)
    return parse_policy(raw, str(path), catalogue, beside(path.parent))


def beside(folder: Path) -> ReadBeside:
    """Reads golden files of a folder."""
    return lambda name: read_within(folder, name, GOLDEN_LIMITS.size_bytes)


def parse_policy(raw: bytes, path: str, catalogue: Catalogue, read: ReadBeside) -> Policy | Faults:
    """Parse a policy file's bytes. ``path`` is how messages call the file."""
    source = decode(raw, path, POLICY_LIMITS.size_bytes)
    if isinstance(source, PolicyFault):
        return (source,)
    document = parse_document(source, POLICY_LIMITS)
    if isinstance(document, PolicyFault):
        return (document,)
    if not isinstance(document.root, MappingNode):
        return (*document.faults, _not_a_mapping(document))
    section = check(document, PolicySection, catalogue, may_be_empty=lambda _: False)
    golden, unfit = read_golden(document, read)
    if isinstance(section, tuple) or unfit:
        return _in_order(path, section, unfit)
    return _to_policy(section, _digest(raw, golden), catalogue)


def _in_order(path: str, *results: object) -> Faults:
    faults = [fault for result in results if isinstance(result, tuple) for fault in result]
    return tuple(sorted(faults, key=lambda fault: (fault.path != path, fault.line, fault.column)))


def _not_a_mapping(document: Document) -> PolicyFault:
    empty = isinstance(document.root, ScalarNode) and document.root.value is None
    sentence = "the file is empty" if empty else "the file is not a mapping"
    suggestion = "a policy has at least model, route, metrics, steps and checks, each as key: value"
    return PolicyFault(document.source, Mark() if empty else document.root.mark, "", sentence, suggestion)


def _digest(raw: bytes, golden: Sequence[bytes]) -> str:
    digest = hashlib.sha256(raw)
    for each in golden:
        digest.update(hashlib.sha256(each).digest())
    return digest.hexdigest()


def _to_policy(section: PolicySection, digest: str, catalogue: Catalogue) -> Policy:
    validation, no_data = section.validation, section.no_data
    mixed = counts_mixed(section.audience, section.metrics, section.route.kind, catalogue)
    return Policy(
        model=section.model,
        namespace=section.namespace,
        route=section.route,
        metrics=section.metrics,
        steps=to_steps(section.steps, section.interval),
        checks=tuple(to_check(name, check) for name, check in section.checks.items()),
        interval=section.interval,
        ready_deadline=section.ready_deadline,
        warm_up_requests=section.warm_up.requests,
        validation=Validation(validation.golden, validation.deadline) if validation else None,
        bake=section.bake,
        deadline=section.deadline,
        on_deadline=Fallback(section.on_deadline),
        no_data=NoData(no_data.alert_after, no_data.act_after, Fallback(no_data.action)),
        on_drift=OnDrift(section.on_drift),
        workload=section.workload.to_rules(),
        notify=tuple(section.notify),
        judge=section.judge,
        judge_rules=JudgeRules(section.confidence, section.budget, section.promote_if_not_worse_than),
        auto_steps=isinstance(section.steps, AutoSteps),
        approval=section.approval.to_rules() if section.approval else ApprovalRules(),
        gates=tuple(gate.to_rules() for gate in section.gates),
        prometheus=section.prometheus or "",
        fleet=section.to_fleet(),
        probe=section.probe.to_rules(section.model) if section.probe else None,
        audience=section.audience.to_rules(mixed=mixed),
        metrics_page=section.metrics_page.to_page() if section.metrics_page else MetricsPage(),
        digest=digest,
    )
