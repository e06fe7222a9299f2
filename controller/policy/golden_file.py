"""Golden files: the same safe reader and the same faults as policy files."""

from controller.policy.document import Limits, parse_document
from controller.policy.faults import PolicyFault
from controller.policy.findings import check
from controller.policy.golden import GoldenFile, GoldenRequest, Protocol
from controller.policy.golden_schema import GoldenSection, encoded
from controller.policy.source import decode
from controller.policy.tree import Location, MappingNode

GOLDEN_LIMITS = Limits(size_bytes=512 * 1024, nodes=20_000, depth=32)
_USUAL_PATHS = {Protocol.OIP_V2: "/v2/models/{model}/infer", Protocol.OPENAI_CHAT: "/v1/chat/completions"}


def parse_golden(raw: bytes, path: str, model: str) -> GoldenFile | tuple[PolicyFault, ...]:
    """Parse a golden file's bytes. ``model`` is for the protocol's usual path, ``path`` for messages."""
    source = decode(raw, path, GOLDEN_LIMITS.size_bytes)
    document = source if isinstance(source, PolicyFault) else parse_document(source, GOLDEN_LIMITS)
    if isinstance(document, PolicyFault):
        return (document,)
    if not isinstance(document.root, MappingNode):
        suggestion = "a golden file has protocol and requests, each as key: value"
        fault = PolicyFault(document.source, document.root.mark, "", "the file is not a mapping", suggestion)
        return (*document.faults, fault)
    section = check(document, GoldenSection, None, _may_be_empty)
    return section if isinstance(section, tuple) else _to_golden(section, model)


def _may_be_empty(location: Location) -> bool:
    """Whether null is a value there: in what is sent, and in a schema's enum or const."""
    return location[2:3] == ("body",) or location[2:4] == ("expect", "schema")


def _to_golden(section: GoldenSection, model: str) -> GoldenFile:
    protocol = Protocol(section.protocol)
    requests = tuple(
        GoldenRequest(
            name=request.name,
            protocol=protocol,
            body=encoded(request.body),
            headers=tuple(request.headers.items()),
            expect=request.expect.to_expectation(),
        )
        for request in section.requests
    )
    return GoldenFile(section.path or _USUAL_PATHS[protocol].format(model=model), section.timeout, requests)
