"""Play one seed and show what happened: ``python -m tests.faults.simulation SEED``."""

from __future__ import annotations

import sys

from tests.faults.simulation.invariants import violations
from tests.faults.simulation.world import simulate


def main() -> int:
    """0 for a good seed, 1 for one that breaks an invariant."""
    account = simulate(int(sys.argv[1]))
    found = violations(account)
    sys.stdout.write("\n".join([*account.history.notes, *found]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
