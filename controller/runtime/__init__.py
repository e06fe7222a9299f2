"""The machinery that runs passes: queue, workers, timers, health. Generic: it knows keys, not rollouts."""
