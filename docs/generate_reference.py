"""Writes the pages of ``docs/reference`` from the code, so that the two cannot differ.

Run it from the root of the repository: ``python -m docs.generate_reference``. A test keeps the pages current.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

from pathlib import Path

from docs.pages import model_rollout, permissions, settings

FOLDER = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """The content of every generated page."""
    return {
        FOLDER / "modelrollout.md": model_rollout.page(),
        FOLDER / "settings.md": settings.page(),
        FOLDER / "permissions.md": permissions.page(),
    }


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")
