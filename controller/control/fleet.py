"""What people say to all models at once: nothing starts or steps up, until they take it back."""

from collections.abc import Callable
from datetime import datetime

from controller.control.check_views import View
from controller.control.errors import Refused
from controller.control.views import Document
from controller.domain.fleet.facts import Pause
from controller.ports import FleetPauses


class PauseView(View):
    """Who paused everything, when, and why."""

    actor: str
    at: datetime
    note: str


class FleetView(Document):
    """What holds for all models. ``paused`` is None while nothing is."""

    paused: PauseView | None
    message: str


class FleetControl:
    """The use cases. Each raises `StoreUnavailable` when the record of the pause cannot be read or written.

    ``told`` is told of the pause that is in force from then on.
    """

    def __init__(
        self, pauses: FleetPauses, told: Callable[[Pause | None], None], now: Callable[[], datetime]
    ) -> None:
        self._pauses = pauses
        self._told = told
        self._now = now

    async def view(self) -> FleetView:
        """What is in force."""
        return fleet_view(await self._pauses.paused())

    async def pause(self, actor: str, note: str) -> FleetView:
        """Nothing starts or steps up from now on. Raises `Refused` when somebody else said so before."""
        standing = await self._pauses.paused()
        if standing is not None and standing.actor != actor:
            raise Refused(fleet_view(standing).message, "serinus resume --all")
        wanted = Pause(actor, self._now(), note)
        await self._pauses.pause(wanted)
        # an earlier one may stay in force: of this person, or of another who was quicker
        pause = await self._pauses.paused() or wanted
        self._told(pause)
        return fleet_view(pause)

    async def resume(self, actor: str) -> FleetView:
        """Everything may go on, which is so already when nothing is paused."""
        standing = await self._pauses.paused()
        if standing is None:
            return fleet_view(None)
        await self._pauses.pause(None)
        self._told(None)
        return FleetView(paused=None, message=f"{actor} lets everything go on")


def fleet_view(pause: Pause | None) -> FleetView:
    """The pause in force, for people."""
    if pause is None:
        return FleetView(paused=None, message="nothing is paused for all models")
    view = PauseView(actor=pause.actor, at=pause.at, note=pause.note)
    return FleetView(paused=view, message=pause.sentence)
