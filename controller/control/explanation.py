"""What a reason means in a plain sentence, and what a person can do about it."""

from dataclasses import dataclass

DEPLOY_BETTER = "deploy a corrected version under another name: serinus deploy {model} VERSION"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``meaning`` is one sentence without a full stop; ``remedy`` is what to do, or that nothing is to do."""

    meaning: str
    remedy: str

    def remedy_for(self, model: str) -> str:
        """The remedy with the model's name in its commands."""
        return self.remedy.replace("{model}", model)
