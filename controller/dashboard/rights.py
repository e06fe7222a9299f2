"""What viewers may say, for the buttons that they are shown. Whoever says it is asked about anew."""

import asyncio

from controller.control.doors import MACHINE
from controller.control.steering import Person
from controller.control.views import StatusView
from controller.domain.model import CommandKind
from controller.errors import ControllerError
from controller.web.admission import Admission
from controller.web.memory import Memory

_WORDS = tuple(kind for kind in CommandKind if kind is not CommandKind.DEPLOY)
_BELIEVED_SECONDS = 30.0
_MOST = 1024


class Rights:
    """Of each viewer in each namespace, believed for half a minute."""

    def __init__(self) -> None:
        self._known: Memory[tuple[Person, str], frozenset[CommandKind]] = Memory(_MOST)

    async def of(self, admission: Admission, person: Person, status: StatusView) -> frozenset[CommandKind]:
        """The words that the person may say there; none where nobody can tell."""
        place = status.namespace or MACHINE
        known = self._known.get((person, place))
        if known is not None:
            return known
        try:
            may = await asyncio.gather(*(admission.may(person, kind, place) for kind in _WORDS))
        except ControllerError:
            return frozenset()
        found = frozenset(kind for kind, allowed in zip(_WORDS, may, strict=True) if allowed)
        self._known.put((person, place), found, _BELIEVED_SECONDS)
        return found
