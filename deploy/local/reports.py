"""Writes the reports of the demo's rollouts to a folder that stays when the demo's own is gone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from controller.report.collecting import collect
from controller.report.page import page
from deploy.local.stack import REPOSITORY

if TYPE_CHECKING:
    from controller.control.interface import Control
    from deploy.local.theatre import Outcome

FOLDER = REPOSITORY / "demo-reports"


def write_reports(control: Control, outcomes: Iterable[Outcome], folder: Path = FOLDER) -> list[Path]:
    """A page for each outcome, over those of the last demo; returns where they are."""
    folder.mkdir(exist_ok=True)
    written = []
    for outcome in outcomes:
        report = collect(control, outcome.status.rollout, datetime.now(UTC), f"serinus {version('serinus')}")
        path = folder / f"{outcome.act.version}-{report.phase}.html"
        for old in folder.glob(f"{outcome.act.version}-*.html"):
            old.unlink()
        path.write_text(page(report), encoding="ascii")
        written.append(path)
    return written
