"""Programs of the operator's that are asked before a rollout goes on."""
