"""The commands for who writes policies: lint, schema, explain. They need no daemon."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode
from controller.policy.render import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.domain.policy import Policy
    from controller.policy.catalogue import Catalogue
    from controller.policy.faults import PolicyFault


def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILES",
            show_default=False,
            help="Policy files, or folders of them; policies/ by default.",
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print what is wrong.")] = Format.TEXT,
) -> None:
    """Check policy files and print every fault.

    Each with its line and what to write instead. Exits with 2 if there is any.
    """
    from controller.adapters.registry import catalogue  # noqa: PLC0415 - lazy
    from controller.cli.output import say, write  # noqa: PLC0415 - lazy
    from controller.policy.render import render  # noqa: PLC0415 - lazy
    from controller.policy.shadows import shadow_notes  # noqa: PLC0415 - lazy

    known = catalogue()
    read = [_read(path, known) for path in files or [Path("policies")]]
    faults = [fault for _, found in read for fault in found]
    if text := render(faults, output):
        write(text + "\n")
    if faults:
        say(f"faults found: {len(faults)}; what a field means: serinus explain FIELD")
        raise typer.Exit(ExitCode.INVALID)
    say("every policy is valid")
    if output is Format.TEXT:
        for pack in sorted(
            {policy.metrics for policies, _ in read for policy in policies} & set(known.packs)
        ):
            for sentence in known.packs[pack].caveats:
                say(f"note: metrics: {pack}: {sentence}")
        for policy in (policy for policies, _ in read for policy in policies):
            for sentence in shadow_notes(policy, known):
                say(f"note: steps: {sentence}")


def schema() -> None:
    """Print the policy file's JSON Schema, for editors."""
    import json  # noqa: PLC0415 - lazy

    from controller.cli.output import write  # noqa: PLC0415 - lazy
    from controller.policy.explain import json_schema  # noqa: PLC0415 - lazy

    write(json.dumps(json_schema(), indent=2) + "\n")


def explain(
    field: Annotated[
        str | None,
        typer.Argument(
            metavar="FIELD",
            show_default=False,
            help="A field, such as steps.min_requests, or a metrics pack, such as metrics.vllm.",
        ),
    ] = None,
) -> None:
    """Explain a policy file's fields: meaning, default, example; and what a metrics pack measures."""
    from controller.adapters.registry import catalogue  # noqa: PLC0415 - lazy
    from controller.cli.output import write  # noqa: PLC0415 - lazy
    from controller.control.errors import InvalidRequest  # noqa: PLC0415 - lazy
    from controller.policy import explain as policy  # noqa: PLC0415 - lazy
    from controller.policy.packs import explain_pack  # noqa: PLC0415 - lazy

    section, _, name = (field or "").partition(".")
    try:
        write(
            (explain_pack(name, catalogue()) if section == "metrics" and name else policy.explain(field))
            + "\n"
        )
    except LookupError as error:
        raise InvalidRequest(str(error), "serinus explain") from error


def _read(path: Path, known: "Catalogue") -> "tuple[Sequence[Policy], Sequence[PolicyFault]]":
    """The policies, and the faults, of a file or a folder's files, two claims on one model included."""
    from controller.policy.folder import folder_problem, read_folder, settle  # noqa: PLC0415 - lazy
    from controller.policy.loader import load_policy  # noqa: PLC0415 - lazy
    from controller.policy.source import UnreadableError  # noqa: PLC0415 - lazy

    if not path.is_dir():
        found = load_policy(path, known)
        return ((), found) if isinstance(found, tuple) else ((found,), ())
    try:
        settled, problems = settle(path, {}, read_folder(path, known, {}))
    except UnreadableError as error:
        settled, problems = {}, folder_problem(path, error)
    policies = [standing.policy for standing in settled.values()]
    return policies, [fault for faults in problems.values() for fault in faults]
