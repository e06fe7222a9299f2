"""Golden files: what they may say."""

from datetime import timedelta

import pytest

from controller.policy.golden import Expectation, ExpectedNumbers, GoldenFile, GoldenRequest, Protocol
from controller.policy.golden_file import parse_golden

OIP_BODY = "{inputs: [{name: x, shape: [1], datatype: FP32, data: [1.5]}]}"


def parsed(text: str) -> GoldenFile:
    golden = parse_golden(text.encode(), "g.yaml", "llama")
    assert isinstance(golden, GoldenFile), [str(fault) for fault in golden]
    return golden


def faults_of(text: str) -> list[str]:
    faults = parse_golden(text.encode(), "g.yaml", "llama")
    assert isinstance(faults, tuple)
    return [fault.message for fault in faults]


def test_every_field_arrives() -> None:
    golden = parsed(
        f"""\
protocol: oip-v2
path: /v2/models/x/versions/1/infer
timeout: 1500ms
requests:
  - name: one
    body: {OIP_BODY}
    headers: {{x-source: serinus}}
    expect:
      status: 201
      schema: {{type: object, properties: {{pattern: {{type: string}}}}}}
      numbers: {{at: "outputs[0].data", equals: [[1], [2.5]], relative: 1%}}
      contains: [a]
      not_contains: [b]
      max_latency: 500ms
"""
    )
    expect = Expectation(
        status=201,
        schema={"type": "object", "properties": {"pattern": {"type": "string"}}},
        numbers=ExpectedNumbers("outputs[0].data", ((1.0,), (2.5,)), 0.01, relative=True),
        contains=("a",),
        not_contains=("b",),
        max_latency=timedelta(milliseconds=500),
    )
    body = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1.5]}]}'
    assert golden == GoldenFile(
        "/v2/models/x/versions/1/infer",
        timedelta(milliseconds=1500),
        (GoldenRequest("one", Protocol.OIP_V2, body, (("x-source", "serinus"),), expect),),
    )


@pytest.mark.parametrize(
    ("protocol", "body", "path"),
    [
        ("oip-v2", OIP_BODY, "/v2/models/llama/infer"),
        ("openai-chat", "{messages: [{}]}", "/v1/chat/completions"),
    ],
)
def test_a_protocol_has_a_usual_path(protocol: str, body: str, path: str) -> None:
    golden = parsed(f"protocol: {protocol}\nrequests: [{{name: a, body: {body}}}]")
    assert (golden.path, golden.timeout) == (path, timedelta(seconds=10))
    assert golden.requests[0].expect == Expectation()


def test_null_is_a_value_in_bodies_and_schemas_only() -> None:
    text = (
        "protocol: json\npath: /x\nrequests: [{name: a, body: {b: null}, expect: {schema: {enum: [null]}}}]"
    )
    assert parsed(text).requests[0].body == b'{"b":null}'
    assert faults_of(text.replace("/x", "")) == ["path: has no value"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("protocol: grpc\nrequests: [{name: a, body: {}}]", "protocol: grpc is not allowed here"),
        ("protocol: json\nrequests: [{name: a, body: {}}]", "path: protocol json has no usual path"),
        ("protocol: json\npath: http://x/\nrequests: [{name: a, body: {}}]", "path: http://x/ is not a path"),
        ("protocol: json\npath: /a/../b\nrequests: [{name: a, body: {}}]", "path: /a/../b is not a path"),
        (
            "protocol: oip-v2\nrequests: [{name: a, body: []}]",
            "requests[0].body: a body of oip-v2 needs inputs",
        ),
        ("protocol: oip-v2\nrequests: [{name: a}]", "requests[0].body: missing"),
        ("protocol: oip-v2\nrequests: []", "requests: the list is empty"),
        (
            "protocol: openai-chat\nrequests: [{name: a, body: {messages: [{}], stream: true}}]",
            "requests[0].body.stream: a streamed answer cannot be compared",
        ),
        (
            "protocol: json\npath: /\nrequests: [{name: a, body: {}}, {name: a, body: {}}]",
            "requests[1].name: a is also the name of requests[0]",
        ),
        ("[]", "the file is not a mapping"),
        ("a: *b", "anchors and aliases (*b) are not allowed"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(text: str, words: str) -> None:
    assert any(words in fault for fault in faults_of(text))


def request_faults(rest: str) -> list[str]:
    return faults_of("protocol: json\npath: /\nrequests:\n  - name: a\n    body: {}\n    " + rest)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("headers: {Cookie: a}", "headers.Cookie: Cookie carries a secret"),
        ("headers: {Host: a}", "headers.Host: Host is set by Serinus"),
        ('headers: {"a b": c}', "headers.a b: a b is not a header's name"),
        ('headers: {a: "b\\r\\nc: d"}', "headers.a: the header's value"),
        ("headers: {a: 1}", "headers.a: 1 is not text"),
        ("expect: {schema: {$ref: http://x/y}}", "expect.schema.$ref: $ref is not a keyword"),
        (
            "expect: {schema: {items: {pattern: (a+)+$}}}",
            "expect.schema.items.pattern: pattern is not a keyword",
        ),
        (
            "expect: {schema: {anyOf: [{reqired: [a]}]}}",
            "expect.schema.anyOf[0].reqired: reqired is not a keyword",
        ),
        (
            "expect: {schema: {type: [object, list]}}",
            "expect.schema.type: a list cannot be the value of type",
        ),
        ("expect: {numbers: {at: a, equals: []}}", "equals: a list is not a number or a list of numbers"),
        ("expect: {numbers: {at: a, equals: 1, tolerance: -1}}", "tolerance: -1 is not a difference"),
        ("expect: {numbers: {at: a, equals: 1, tolerance: 1, relative: 1%}}", "are both given"),
        ("expect: {contains: ['']}", "contains[0]: "),
        ("expect: {max_latency: 0s}", "max_latency: 0s is shorter than 1ms"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(rest: str, words: str) -> None:
    assert any(words in fault for fault in request_faults(rest))


def test_bodies_and_requests_are_bounded() -> None:
    big = "protocol: json\npath: /\nrequests: [{name: a, body: " + "x" * 70_000 + "}]"
    assert "requests[0].body: the body has 70002 bytes; the limit is 65536" in faults_of(big)[0]
    many = (
        "protocol: json\npath: /\nrequests: ["
        + ",".join(f"{{name: n{n}, body: 1}}" for n in range(501))
        + "]"
    )
    assert faults_of(many) == ["requests: the list has 501 entries"]
    values = "protocol: json\npath: /\nrequests: [{name: a, body: [" + "1," * 20_000 + "]}]"
    assert "more than 20000 values" in faults_of(values)[0]
