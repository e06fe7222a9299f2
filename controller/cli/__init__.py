"""The command line, ``serinus``.

`main` names the commands, and every module that it imports at its top is light: what a command needs besides
is imported when the command runs, so that help and completion answer at once.
"""
