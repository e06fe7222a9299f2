"""``docs/reference/example-policies.md``: the policies of ``policies/``, as they are."""
# ruff: noqa: INP001 - a folder of documents, not a package

from pathlib import Path

from docs.pages.tables import ORIGIN

FOLDER = Path(__file__).parents[2] / "policies"
_HEAD = f"""\
# Example policies

{ORIGIN}
The files of `policies/`. A test loads each of them and plays rollouts under it in simulated time. Copy the
one nearest to your model.
"""


def page() -> str:
    """The whole document."""
    lines = [_HEAD]
    for path in sorted(FOLDER.glob("*.yaml")):
        lines += [f"## {path.stem}\n", "```yaml", path.read_text(encoding="utf-8").rstrip("\n"), "```\n"]
    return "\n".join(lines)
