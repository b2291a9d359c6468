"""The tests of the workspace, importable as `tests.…` so that they can share `tests.support`."""
