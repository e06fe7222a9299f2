"""What ruamel says about broken YAML, in words for somebody who does not know its parser.

Whatever is not in the table is passed on in ruamel's own words: a new release may say something new.
"""

from ruamel.yaml.error import MarkedYAMLError

from controller.policy.faults import Mark, PolicyFault, Source
from controller.policy.quantities import shown

_QUOTE = "put quotes around a value that begins with a special character"
_INDENT = "give entries of the same list or mapping the same indentation"
_WORDS = (
    # (in ruamel's problem, the sentence, the suggestion)
    ("character '\\t'", "a tab cannot indent in YAML", "use spaces"),
    (
        "mapping values are not allowed here",
        "a second colon in one line",
        "quote the value, or check the line above",
    ),
    ("cannot start any token", "a value cannot begin with this character", _QUOTE),
    ("expected <block end>", "this line does not line up with the lines above", _INDENT),
    ("expected '<document start>'", "this line does not line up with the lines above", _INDENT),
    ("could not find expected ':'", "this line has no colon", "write it as key: value"),
    (
        "found '<stream end>'",
        "the file ends in the middle",
        "close every [ and {; or was the file cut off?",
    ),
    ("unexpected end of stream", "this quote is never closed", "close it"),
    ("document separator", "this quote is never closed", "close it"),
    (
        "unknown escape character",
        "this backslash escape does not exist",
        "write \\\\ for a backslash, or single quotes",
    ),
)
_BRACKETS = {"flow sequence": ("[", "]"), "flow mapping": ("{", "}")}
_TOLD_AT_CONTEXT = ("while scanning a quoted scalar", "while scanning a simple key")


def explain_yaml_error(source: Source, error: MarkedYAMLError) -> PolicyFault:
    """The fault for one of ruamel's errors, at the place people must change."""
    problem, context = error.problem or "", error.context or ""
    for kind, (opening, closing) in _BRACKETS.items():
        if kind in context and "expected" in problem:
            suggestion = f"close it with {closing}, and put a comma between its entries"
            return PolicyFault(
                source, _place(source, error.context_mark), "", f"this {opening} is not closed", suggestion
            )
    at_context = any(words in context for words in _TOLD_AT_CONTEXT)
    place = _place(source, (error.context_mark if at_context else error.problem_mark) or error.context_mark)
    if "directive" in problem or "directive" in context:
        return directive_fault(source)
    for words, sentence, suggestion in _WORDS:
        if words in problem or words in context:
            return PolicyFault(source, place, "", sentence, suggestion)
    return PolicyFault(source, place, "", f"the file is not YAML here: {shown(problem or context)}")


def directive_fault(source: Source) -> PolicyFault:
    """The fault for a directive, which ruamel places at what follows it."""
    numbers = (number for number, line in enumerate(source.lines, 1) if line.startswith("%"))
    return PolicyFault(source, Mark(next(numbers, 1)), "", "a % directive is not allowed", "remove the line")


def _place(source: Source, mark: object) -> Mark:
    """Where a mark of ruamel is. Its end of a text lies past the last line, with nothing to show."""
    line, column = getattr(mark, "line", 0), getattr(mark, "column", 0)
    if line >= len(source.lines) > 0:
        return Mark(len(source.lines), max(len(source.lines[-1]), 1))
    return Mark(line + 1, column + 1)
