"""The command that writes down how a rollout went: report."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import Format, Target, session_of

if TYPE_CHECKING:
    from controller.report.views import ReportView

_STDOUT = "-"


class Form(StrEnum):
    """What a report can be written as; the value is its file's ending."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


Html = Annotated[bool, typer.Option("--html", help="One page with charts, which needs nothing else.")]
Markdown = Annotated[bool, typer.Option("--md", help="Markdown, the default.")]
Json = Annotated[bool, typer.Option("--json", help="All that the other two show, as data.")]
File = Annotated[
    str,
    typer.Option("--output", "-o", metavar="FILE", help="The file to write; its ending says the form."),
]

_ENDINGS = {".html": Form.HTML, ".htm": Form.HTML, ".md": Form.MARKDOWN, ".json": Form.JSON}


def report(
    context: typer.Context,
    target: Target,
    html: Html = False,  # noqa: FBT002 - a flag of the command line
    markdown: Markdown = False,  # noqa: FBT002 - as above
    json: Json = False,  # noqa: FBT002 - as above
    output: File = _STDOUT,
) -> None:
    """Write down how a rollout went: timeline, charts, evidence, policy, actors.

    Markdown on standard output, unless an option or the ending of FILE (.html, .md, .json) says otherwise. Of
    a rollout that is not over, it says how it stands.
    """
    from controller.cli.output import say, write  # noqa: PLC0415 - lazy

    wanted = {Form.HTML: html, Form.MARKDOWN: markdown, Form.JSON: json}
    form = _form([each for each, asked in wanted.items() if asked], output)
    text = _written(_collected(context, target), form)
    if output == _STDOUT:
        write(text)
        return
    _save(Path(output), text)
    say(f"written: {output}")


def _form(asked: list[Form], output: str) -> Form:
    """Raises `typer.BadParameter` for what contradicts itself, and for a format of the other commands."""
    if output in set(Format) | set(Form):
        option = f"--{output}" if output in set(Form) else "--json"
        raise typer.BadParameter(f"--output names a file here; the form is an option: {option}")
    if len(asked) > 1:
        raise typer.BadParameter(f"--{asked[0]} and --{asked[1]} are two forms: choose one")
    return asked[0] if asked else _ENDINGS.get(Path(output).suffix.lower(), Form.MARKDOWN)


def _collected(context: typer.Context, target: str) -> "ReportView":
    from importlib.metadata import version  # noqa: PLC0415 - slow to import

    from controller.report.collecting import collect  # noqa: PLC0415 - lazy

    made_by = f"serinus {version('serinus')}"
    return collect(session_of(context).client(), target, datetime.now(UTC), made_by)


def _written(found: "ReportView", form: Form) -> str:
    match form:
        case Form.HTML:
            from controller.report.page import page  # noqa: PLC0415 - lazy

            return page(found)
        case Form.MARKDOWN:
            from controller.report.markdown import markdown  # noqa: PLC0415 - lazy

            return markdown(found)
        case Form.JSON:
            from controller.cli.output import as_json  # noqa: PLC0415 - lazy

            return as_json(found, indent=2) + "\n"


def _save(path: Path, text: str) -> None:
    """Raises `TargetError` when the file cannot be written."""
    from controller.errors import TargetError  # noqa: PLC0415 - lazy

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TargetError(f"{path} cannot be written: {error.strerror or error}") from error
