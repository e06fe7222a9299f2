"""The outside world: one file per outside thing, each behind a port. Only `controller.app` imports these."""
