"""Short forms of the verbs for the tests of the RESP drivers."""

from __future__ import annotations

from itertools import count

from flowli.driver import Claim, Lease, Millis, NewJob, Settlement, State, Turn

__all__ = ["claim_of", "ended", "job_of"]

_turns = count(1)


def job_of(id: str, *, queue: str = "mail", body: bytes = b"body", priority: int = 0) -> NewJob:
    return NewJob(id, queue, "send", b"head", body, priority)


def claim_of(
    limit: int = 10, *, queues: tuple[str, ...] | None = ("mail",), wait: int = 0, sender: str | None = None
) -> Claim:
    """The next claim of ``sender``; of somebody new if none is named."""
    number = next(_turns)
    turn = Turn(sender or f"runner-{number}", number)
    return Claim(runner=turn.sender, turn=turn, queues=queues, limit=limit, lease_for=Millis(30_000), wait=Millis(wait))


def ended(lease: Lease, *, keep_for: int = 0, state: State = State.COMPLETED) -> Settlement:
    return Settlement(lease.id, lease.queue, lease.token, state, b"memo", keep_for=Millis(keep_for))
