"""Serinus: brings new versions of machine-learning models into production safely.

The package is ``controller``, the distribution and the command are ``serinus``. Nothing is exported from
here: `controller.app` composes the daemon, `controller.cli.main` is the command line.
"""
