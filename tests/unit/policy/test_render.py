"""How faults are shown."""

import json

import pytest

from controller.policy.faults import Mark, PolicyFault, Source
from controller.policy.render import Format, render


def fault(line: str, mark: Mark, path: str = "models/llama.yaml") -> PolicyFault:
    source = Source(path, line, ("",) * (mark.line - 1) + (line,))
    return PolicyFault(
        source, mark, "steps[2].weight", "60% is lower than steps[1] (75%)", "write more than 75%"
    )


def test_text_has_the_place_the_line_a_caret_and_the_suggestion() -> None:
    assert render([fault("  - {weight: 60%}", Mark(14, 14, 3))], Format.TEXT).splitlines() == [
        "models/llama.yaml:14:14: steps[2].weight: 60% is lower than steps[1] (75%)",
        "     14 |   - {weight: 60%}",
        "        |              ^^^",
        "        = write more than 75%",
    ]


def test_a_long_line_is_cut_around_the_place() -> None:
    text = render([fault("x" * 500 + "HERE" + "y" * 500, Mark(1, 501, 4))], Format.TEXT).splitlines()
    assert len(text[1]) < 140
    assert text[1][text[2].index("^") :].startswith("HERE")


def test_a_caret_stands_under_its_place_after_wide_characters() -> None:
    text = render([fault("模型: x", Mark(1, 5, 1))], Format.TEXT).splitlines()
    assert text[2].index("^") == text[1].index("x") + 2


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = render([fault("a\x1b[31mb\u202e", Mark(1, 1, 1), path="evil\x1b]0;x\x07\n.yaml")], Format.TEXT)
    assert all(line.isprintable() for line in text.splitlines())


def test_json_is_one_object_per_fault() -> None:
    assert json.loads(render([fault("x", Mark(3, 1))], Format.JSON)) == [
        {
            "path": "models/llama.yaml",
            "line": 3,
            "column": 1,
            "field": "steps[2].weight",
            "message": "60% is lower than steps[1] (75%)",
            "suggestion": "write more than 75%",
        }
    ]


def test_github_annotations_are_one_escaped_line_each() -> None:
    assert render([fault("x", Mark(3, 1), path="a,b:c\n.yaml")], Format.GITHUB) == (
        "::error file=a%2Cb%3Ac%0A.yaml,line=3,col=1,title=Invalid policy::steps[2].weight: "
        "60%25 is lower than steps[1] (75%25) (write more than 75%25)"
    )


@pytest.mark.parametrize(("how", "text"), [(Format.TEXT, ""), (Format.JSON, "[]"), (Format.GITHUB, "")])
def test_no_faults_give_no_lines(how: Format, text: str) -> None:
    assert render([], how) == text
