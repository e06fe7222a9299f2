"""What commands print with ``-o json``, by the name of its schema."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from controller.cli.backtest.report import BacktestReport
from controller.cli.doctor.findings import Report
from controller.control.diff_view import DiffView
from controller.control.record_view import RecordView
from controller.control.views import EntryList, OutcomeView, StatusList, StatusView
from controller.control.why import WhyView


@dataclass(frozen=True, slots=True)
class Published:
    """A document, what it is, and the commands that print it."""

    of: type[BaseModel]
    title: str
    commands: tuple[str, ...] = ()


DOCUMENTS: Mapping[str, Published] = {
    "status-list": Published(StatusList, "Rollouts", ("get",)),
    "status": Published(StatusView, "One rollout", ("status", "watch")),
    "why": Published(WhyView, "Why a rollout stands where it stands", ("why",)),
    "entries": Published(EntryList, "Entries of a decision log", ("history",)),
    "record": Published(RecordView, "A rollout with its reason, its release and its policy"),
    "diff": Published(DiffView, "What differs between two rollouts", ("diff",)),
    "doctor": Published(Report, "What is wrong, and how to mend it", ("doctor",)),
    "backtest": Published(BacktestReport, "A policy on past traffic", ("backtest",)),
    "outcome": Published(
        OutcomeView,
        "What a person's word led to",
        ("deploy", "approve", "deny", "promote", "abort", "pause", "resume", "retry"),
    ),
}
