"""Plays about people: a newer release, words by kubectl, deletion, and labels alone."""

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.cluster.casting import play
from tests.e2e.cluster.looking import OURS
from tests.e2e.cluster.policies import ENDLESS, TWO_STEPS
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually


def at_the_second_step(stage: ClusterStage, model: str, **policy: object) -> str:
    """A rollout that stays at 50 % until something ends it."""
    stage.policy(model, ENDLESS, **policy)
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    name = stage.release(model, "v2")
    stage.until_counting(name, 50)
    return name


@play
def supersede(stage: ClusterStage, model: str) -> None:
    """A newer release takes the place of one that is under way."""
    name = at_the_second_step(stage, model)
    stage.policy(model, TWO_STEPS)
    stage.candidate(model, "v20", "models/tumor:v2")
    newer = stage.release(model, "v20")
    old = stage.until_over(name)
    assert (old["status"]["phase"], old["status"]["reason"]) == (Phase.SUPERSEDED, Reason.NEWER_RELEASE)
    stage.wait(newer, "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v20"]


@play
def abort_and_retry(stage: ClusterStage, model: str) -> None:
    """An operator aborts by a word in the object, and has it tried again in the same object."""
    name = at_the_second_step(stage, model)
    word = stage.ask(name, "abort")
    ended = stage.until_over(name)
    assert ended["status"]["phase"] == Phase.ABORTED
    assert stage.route_of(model)["spec"] == stage.before[model]["spec"]
    answer = next(each for each in ended["status"]["requests"] if each["id"] == word)
    assert (answer["outcome"], answer["by"]) == ("Followed", "ann")
    stage.policy(model, TWO_STEPS)
    eventually(lambda: stage.in_force(model), f"the new policy of {model} is in force")
    stage.ask(name, "retry")
    eventually(lambda: stage.rollout(name)["status"]["attempt"] == 2, "tried again", every=0.25)
    done = stage.wait(name, "Promoted")
    assert done["status"]["attempt"] == 2
    assert list(stage.weights(model)) == [f"{model}-v2"]


@play
def pause_and_promote(stage: ClusterStage, model: str) -> None:
    """An operator stops the clock, starts it again, and then has everyone served at once."""
    name = at_the_second_step(stage, model)
    stage.ask(name, "pause")
    stage.until_phase(name, Phase.PAUSED)
    stage.ask(name, "resume")
    stage.until_phase(name, Phase.PROGRESSING)
    stage.ask(name, "promote")
    stage.wait(name, "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v2"]


@play
def delete(stage: ClusterStage, model: str) -> None:
    """A deleted rollout gives the traffic back before its object goes."""
    name = at_the_second_step(stage, model)
    stage.kubectl("delete", "modelrollout", name, "--timeout=30s")
    assert stage.server.admin.get(OURS, "ModelRollout", stage.namespace, name) is None
    assert stage.route_of(model)["spec"] == stage.before[model]["spec"]
    versions = {
        write.kind: write.version for write in stage.writes() if write.name in (model, name)
    }  # the last of each
    assert versions["httproutes"] < versions["modelrollouts"]


@play
def discovery(stage: ClusterStage, model: str) -> None:
    """A newly labelled version begins a release by itself, where the policy says so."""
    stage.policy(model, TWO_STEPS, workload={"discover": True})
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")

    def found() -> str | None:
        objects = stage.server.admin.list(OURS, "ModelRollout", stage.namespace)
        names: list[str] = [
            each["metadata"]["name"]
            for each in objects
            if (each["spec"]["model"], each["spec"]["version"]) == (model, "v2")
        ]
        return names[0] if names else None

    stage.wait(eventually(found, "a release begins by itself", every=0.25), "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v2"]
