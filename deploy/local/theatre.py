"""Plays the acts of the demo: deploys a version, follows its rollout, and shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.live import Live

from controller.cli.tables import status_detail
from controller.control.interface import Order
from controller.control.views import EntryView, StatusView
from deploy.local.stage import MODEL, Stage, since

if TYPE_CHECKING:
    from rich.console import Console

    from controller.domain.vocabulary import Phase, Reason

POLL_SECONDS = 0.25
LONGEST_ACT_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Act:
    """One release, and how its rollout has to end. ``engine`` is the version whose engine answers."""

    title: str
    version: str
    phase: Phase
    reason: Reason
    engine: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended, and after how long."""

    act: Act
    status: StatusView
    seconds: float

    @property
    def as_said(self) -> bool:
        """Whether the rollout ended in the way that the act announces."""
        return self.status.phase is self.act.phase and self.status.reason is self.act.reason

    @property
    def backend(self) -> str:
        """How the gateway calls the act's version."""
        return f"{MODEL}@{self.act.version}"


class Theatre:
    """Plays the acts and shows them."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._client = stage.client()

    def play(self, act: Act) -> Outcome:
        """Deploy the act's version and follow it until it ends, or the act's time is over."""
        self._console.print(f"\n[bold]{act.title}[/bold]")
        endpoint = self._stage.endpoint(act.engine)
        self._console.print(f"  $ serinus deploy {MODEL} {act.version} --endpoint {endpoint}", style="dim")
        began = time.monotonic()
        rollout = self._client.deploy(Order(MODEL, act.version, [endpoint])).rollout
        assert rollout is not None
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            status = self._follow(rollout, began, live)
        return Outcome(act, status, time.monotonic() - began)

    def _follow(self, rollout: str, began: float, live: Live) -> StatusView:
        told = 0
        while True:
            status = self._client.status(rollout)
            for entry in self._client.entries(rollout, told).items:
                told = entry.seq
                if entry.notable:
                    self._console.print(line(entry, time.monotonic() - began))
            if self._console.is_terminal:
                live.update(status_detail(status, datetime.now(UTC), wide=False), refresh=True)
            if status.terminal or time.monotonic() - began > LONGEST_ACT_SECONDS:
                return status
            time.sleep(POLL_SECONDS)


def line(entry: EntryView, seconds: float) -> str:
    """One notable entry of the decision log."""
    return f"  {since(seconds):>5}  {entry.phase:<12} {entry.weight:>5g}%  {entry.message}"
