"""The command ``flowli``: it starts the command line, or says what to install for it.

It refuses to import the command line's libraries before it knows that they are there.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> int:
    """Run the command line; the exit status. 2 where the extra ``[cli]`` is missing."""
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        print(
            f'The command line needs {" and ".join(missing)}. Install it: pip install "flowli[cli]"',
            file=sys.stderr,
        )
        return 2
    from flowli.cli import app

    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
