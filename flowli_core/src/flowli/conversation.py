"""A runner's conversation with the store: what is settled goes out, what is leased comes in, in as few calls as
possible.

While nothing is to be had one call waits at the store, asleep; settlements never wait behind it. It knows
`Driver.exchange` and repeats it for ever. It refuses to know handlers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowli.driver import Claim, Driver, Exchanged, Hold, Lease, Millis, Settled, Settlement, Turn
from flowli.errors import DriverUnavailable
from flowli.ids import make_id
from flowli.journal import Journal, is_being_cancelled, logger
from flowli.repeat import wait_before
from flowli.settle import Verdict, hand_back
from flowli.shares import Shares

__all__ = ["Conversation", "Terms"]

# Looked up once: reading a member of an enumeration takes Python 3.11 several times as long as reading a name.
_WRITTEN = Settled.WRITTEN
_MOST_SETTLED = 1_000
_MOST_CLAIMED = 500
_LATE_S = 1.0
"""How late a reply may be before the runner no longer counts as consuming; two poll intervals, if they are longer."""

_SHORTEST_WAIT = 2
"""Milliseconds: what this runner's estimate of the store's clock may be wrong by, so that it does not ask in a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a runner asks of the store."""

    runner: str
    queues: tuple[str, ...] | None
    lease_for: Millis
    poll: Millis
    weights: Mapping[str, int] | None = None
    """Of the queues; None: they are served strictly in their order."""


class Conversation:
    """One runner's exchange. ``started`` gets new leases, and the monotonic second at which they end, or later;
    ``settled`` hears of those whose outcome the store has answered for."""

    def __init__(
        self,
        driver: Driver,
        terms: Terms,
        journal: Journal,
        started: Callable[[Sequence[Lease], float], None],
        settled: Callable[[Sequence[Hold]], None],
    ) -> None:
        self._driver = driver
        self._terms = terms
        self._journal = journal
        self._started = started
        self._settled = settled
        self._turn = Turn(make_id(), 0)
        self._shares = None if terms.weights is None else Shares(terms.weights)
        self._outbox: list[Verdict] = []
        self._unsure: set[tuple[str, int]] = set()
        self._unanswered: Claim | None = None
        self._last: Exchanged | None = None
        self._heard_at = time.monotonic()
        self._lag_s: float | None = None
        self._schedules_from = 0
        self._expected: list[float] = []
        self.news: asyncio.Event = asyncio.Event()
        """Set when there is something to settle, or a slot became free."""
        self.is_connected: bool = True
        """Whether the store answered the last call."""

    def settle(self, verdict: Verdict) -> None:
        """Write this with the next call."""
        self._outbox.append(verdict)
        self.news.set()

    @property
    def more(self) -> bool:
        """Whether the last claim left something behind that could be taken at once."""
        return self._last is not None and self._last.more

    @property
    def is_answered(self) -> bool:
        """Whether claims are: one was, none has failed since, and no call is late by two poll intervals and a bit."""
        late = time.monotonic() - max(_LATE_S, 2 * self._terms.poll / 1000)
        return self._last is not None and self.is_connected and all(due > late for due in self._expected)

    @property
    def has_verdicts(self) -> bool:
        return bool(self._outbox)

    @property
    def is_over(self) -> bool:
        """Nothing is left to be settled or handed back."""
        return not self._outbox and self._unanswered is None

    def store_now(self) -> Millis:
        """The store's clock, as far as this runner can know without asking."""
        if self._last is None:
            return Millis(time.time_ns() // 1_000_000)
        return Millis(self._last.now + int((time.monotonic() - self._heard_at) * 1000))

    def heard_now(self) -> Millis | None:
        """The same; None as long as the store has not said what time it is."""
        return None if self._last is None else self.store_now()

    @property
    def schedules_are_due(self) -> bool:
        at = self._schedule_at
        return at is not None and at <= self.store_now()

    @property
    def _schedule_at(self) -> int | None:
        at = None if self._last is None else self._last.schedule_at
        return None if at is None else max(at, self._schedules_from)

    def put_off_schedules(self, span: Millis) -> None:
        """They could not be fired: wake for them no sooner than after ``span``."""
        self._schedules_from = self.store_now() + span

    @property
    def wait(self) -> Millis:
        """How long a claim may wait: until something is known to come, at most the poll interval and a tenth of it."""
        if self._last is None or self._last.more:
            return Millis(0)
        instants = [at for at in (self._last.next_at, self._schedule_at) if at is not None]
        poll = self._terms.poll  # a tenth at random: runners that began together do not go on asking together
        longest = poll + random.randrange(poll // 10 + 1)
        return Millis(min([longest, *(max(_SHORTEST_WAIT, at - self.store_now()) for at in instants)]))

    def claim(self, limit: int, *, wait: Millis = Millis(0)) -> Claim:
        """The next claim; 0 keeps house only. One that broke off is repeated: it may have leased."""
        if self._unanswered is not None:
            return replace(self._unanswered, wait=Millis(0))
        terms, queues = self._terms, self._terms.queues
        if self._shares is not None and limit > 0:
            queues, limit = self._shares.next(limit)
        self._turn = Turn(self._turn.sender, self._turn.number + 1)
        return Claim(
            runner=terms.runner,
            turn=self._turn,
            queues=queues,
            limit=min(limit, _MOST_CLAIMED),
            lease_for=terms.lease_for,
            wait=wait,
        )

    async def exchange(self, claim: Claim | None) -> Exchanged:
        """Send what is to be settled, and ``claim``; start what was leased. Repeats until the store answers."""
        # What waits at the store takes no settlements along: they would be written at once, and heard of late.
        portion = 0 if claim is not None and claim.wait else _MOST_SETTLED
        verdicts, self._outbox = self._outbox[:portion], self._outbox[portion:]
        if claim is not None:
            self._unanswered = claim
        try:
            answer, sent_at, repeated = await self._ask([verdict.settlement for verdict in verdicts], claim)
        except BaseException:
            # Whether it was written is unknown; a settlement that is sent again under its token is written once.
            self._outbox[:0] = verdicts
            self._unsure.update((verdict.settlement.id, verdict.settlement.token) for verdict in verdicts)
            raise
        if verdicts:
            self._settled([Hold(one.queue, one.id, one.token) for one, *_ in verdicts])
            self._report(verdicts, answer.settled, repeated)
        if claim is not None:
            self._unanswered = None
            self._hear(answer)
            if answer.leases:
                if self._shares is not None:
                    self._shares.charge(claim.queues or (), [lease.queue for lease in answer.leases])
                self._started(answer.leases, self._end_of(answer, sent_at))
        return answer

    def _hear(self, answer: Exchanged) -> None:
        self._last, self._heard_at = answer, time.monotonic()
        for found in answer.recovered:
            self._journal.recovered(found)

    def _end_of(self, answer: Exchanged, sent_at: float) -> float:
        """The earliest monotonic instant at which these leases can end.

        A call that waited was sent long before. The store's clock is never behind this one by more than the best
        earlier call showed (sent, minus the instant it read), which says how early its ``now`` can have been here.
        """
        store_s = answer.now / 1000
        earliest = max(sent_at, store_s + self._lag_s) if self._lag_s is not None else sent_at
        self._lag_s = max(sent_at - store_s, self._lag_s if self._lag_s is not None else sent_at - store_s)
        return min(earliest, self._heard_at) + (answer.lease_until - answer.now) / 1000

    async def _ask(self, settlements: Sequence[Settlement], claim: Claim | None) -> tuple[Exchanged, float, bool]:
        repetition = 0
        while True:
            sent_at = time.monotonic()
            due = sent_at if claim is None else sent_at + claim.wait / 1000
            self._expected.append(due)
            try:
                answer = await self._driver.exchange(settlements, claim)
            except DriverUnavailable as exc:
                repetition += 1
                if self.is_connected:
                    logger.warning("the store is unavailable, trying again until it is back: %s", exc)
                self.is_connected = False
                await asyncio.sleep(wait_before(repetition))
                if claim is not None and claim.wait:
                    claim = replace(claim, wait=Millis(0))
                continue
            except asyncio.CancelledError as exc:
                if is_being_cancelled():
                    raise
                self.is_connected = False
                raise RuntimeError("the driver cancelled its own call") from exc
            except Exception:
                self.is_connected = False
                raise
            finally:
                self._expected.remove(due)
            if not self.is_connected:
                logger.warning("the store is back")
            self.is_connected = True
            return answer, sent_at, repetition > 0

    def _report(self, verdicts: Sequence[Verdict], settled: Sequence[Settled], repeated: bool) -> None:
        for verdict, outcome in zip(verdicts, settled, strict=True):
            settlement, unsure = verdict.settlement, repeated
            if self._unsure and (settlement.id, settlement.token) in self._unsure:
                self._unsure.discard((settlement.id, settlement.token))
                unsure = True
            is_written = outcome is _WRITTEN or outcome is Settled.REPEATED
            # An end that was written may be kept no longer by the time at which the store answers again.
            if is_written or (outcome is Settled.GONE and unsure and settlement.state.is_terminal):
                self._journal.written(verdict)
            else:
                self._journal.refused(verdict)

    async def hand_back(self) -> None:
        """Settle what a cancelled claim may have leased all the same."""
        claim = self._unanswered
        if claim is None:
            return
        answer, _, _ = await self._ask((), replace(claim, limit=0, wait=Millis(0)))
        self._unanswered = None
        self._hear(answer)
        for lease in answer.leases:
            self.settle(hand_back(lease))

    async def flush(self) -> None:
        """Settle until nothing is left to be settled."""
        while self._outbox:
            await self.exchange(None)
