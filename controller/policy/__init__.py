"""Policy files: from hostile bytes to a `controller.domain.policy.Policy`, or to faults with a position.

`loader` is the way in for one file, `watcher` for a folder, `golden` for the answers to golden requests,
`explain` and `render` for people. Imported by the shell only; the domain never sees a file.
"""
