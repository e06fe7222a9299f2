"""From the files of other tools to policies: what a Flagger Canary or an Argo Rollout says, in our words.

Pure: parsed documents in, the sections of a policy and notes out. Whatever a source says is either in the
policy or in a note, with its place; nothing is dropped in silence, and nothing is guessed without saying so.
Imports `controller.policy`, of which it knows the text and nothing of what comes after; only the command line
imports it.

**Source**: the API documents of flagger.app/v1beta1 and argoproj.io/v1alpha1.
"""
