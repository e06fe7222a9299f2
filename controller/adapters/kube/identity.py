"""Which object, and which rollout of it: names, keys and ids. Pure.

**Invariant**: a name has no dot, so an id is read in one way only, as a name and the number of an attempt.
"""

import re
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, text
from controller.domain.model import Rollout

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What a ModelRollout may be called: it becomes the value of a label."""
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Key:
    """Which object: unique in the cluster for this kind."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def key_of(obj: Obj) -> Key:
    """The object's own; empty words for what has none."""
    metadata = mapping(obj.get("metadata"))
    return Key(text(metadata.get("namespace")), text(metadata.get("name")))


def rollout_id(name: str, attempt: int) -> str:
    """The id of an object's rollout: its name, and from the second attempt on ``NAME.2``."""
    return name if attempt == 1 else f"{name}.{attempt}"


def current_rollout_id(obj: Obj) -> str:
    """The id of the object's newest attempt."""
    return rollout_id(key_of(obj).name, number(mapping(obj.get("status")).get("attempt")) or 1)


def attempt_of(rollout_id: str) -> tuple[str, int]:
    """The object's name and the number of the attempt, from 1; a name has no dot, so there is one reading."""
    name, _, attempt = rollout_id.partition(".")
    return (name, int(attempt)) if _NUMBER.fullmatch(attempt) and attempt != "1" else (rollout_id, 1)


def next_attempt(rollout_id_before: str) -> str:
    """The id under which a rollout that is over is tried again."""
    name, attempt = attempt_of(rollout_id_before)
    return rollout_id(name, attempt + 1)


def key_of_rollout(rollout: Rollout) -> Key:
    """The object that holds the rollout: a policy rules one namespace."""
    return Key(rollout.policy.namespace, attempt_of(rollout.id)[0])


def scoped_request_id(key: Key, request_id: str) -> str:
    """A request's id that is unique among all objects: people use one id for several of them."""
    return f"{key}/{request_id}"
