"""The rules of the fleet: what many models' rollouts have to do with one another. Pure."""
