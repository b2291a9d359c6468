"""Which steps a sequence may take, as a Hypothesis state machine over `Session`. It knows no right answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from flowli.driver import (
    Ability,
    Act,
    Change,
    Claim,
    Deed,
    Driver,
    Enqueued,
    Hold,
    Lease,
    Millis,
    NewJob,
    RunnerNote,
    Seen,
    Settlement,
    State,
    StoredSchedule,
    Turn,
)
from flowli_conformance.model.session import Session
from flowli_conformance.model.steps import IDS, QUEUES, Ending, Firing, Wish, draws

__all__ = ["DriverMachine"]

_REMEMBERED = 600_000
"""For how long a store remembers a turn."""


class _Sent(NamedTuple):
    turn: Turn
    jobs: Sequence[NewJob]
    answers: Sequence[Enqueued]
    at: int


class _Asked(NamedTuple):
    claim: Claim
    settlements: Sequence[Settlement]
    leases: Sequence[Lease]
    at: int


class DriverMachine(RuleBasedStateMachine):
    """Each rule is one step. A sequence that once failed is kept as calls of them: `flowli_conformance.model.kept`."""

    def __init__(self, make_driver: Callable[[], Driver]) -> None:
        super().__init__()
        self._session = Session(make_driver, IDS, QUEUES)
        self._numbers = 0
        self._sent: _Sent | None = None
        self._asked: dict[str, _Asked] = {}
        self._crashes = 0
        self._replays: list[Act] = []
        self._leases: list[tuple[str, Lease]] = []
        """What runners remember, the youngest last."""

    def teardown(self) -> None:
        self._session.close()

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _new(self, wishes: Sequence[Wish]) -> list[NewJob]:
        """Without what the driver does not declare."""
        is_able = Ability.UNIQUE in self._session.abilities
        able = [wish if is_able else wish._replace(unique=None) for wish in wishes]
        return [wish.new(self._session.now, self._next()) for wish in able]

    def _lease(self, which: int) -> Lease:
        return self._leases[-1 - which % len(self._leases)][1]

    def _settlements(self, endings: Sequence[Ending]) -> list[Settlement]:
        made: list[Settlement] = []
        for ending in endings:
            lease = self._lease(ending.which)
            made.append(ending.settlement(lease.id, lease.queue, lease.token, self._session.now, self._next()))
        return made

    def _is_fresh(self, at: int) -> bool:
        return self._session.now - at < _REMEMBERED

    @rule(wishes=draws.wishes | draws.keyed, has_turn=st.booleans())
    def enqueue(self, wishes: list[Wish], has_turn: bool) -> None:
        jobs = self._new(wishes)
        turn = Turn("producer", self._next()) if has_turn else None
        answers = self._session.enqueue(jobs, turn)
        if turn is not None:
            self._sent = _Sent(turn, jobs, answers, self._session.now)
        self._session.compare()

    @initialize(ids=draws.several_ids)
    def begin(self, ids: list[str]) -> None:
        """A sequence begins with work."""
        self.enqueue_at_once(ids, "mail")

    @rule(ids=draws.several_ids, queue=st.sampled_from(QUEUES))
    def enqueue_at_once(self, ids: list[str], queue: str) -> None:
        self.enqueue([Wish(id, queue) for id in ids], has_turn=False)

    @precondition(lambda self: self._sent is not None and self._is_fresh(self._sent.at))
    @rule()
    def enqueue_again(self) -> None:
        assert self._sent is not None
        self._session.repeat_enqueue(self._sent.jobs, self._sent.turn, self._sent.answers)
        self._session.compare()

    @rule(
        runner=draws.runners,
        queues=draws.queues,
        limit=draws.limits,
        lease_for=draws.spans,
        endings=st.just(()) | st.tuples(draws.endings),
    )
    def claim(
        self, runner: str, queues: tuple[str, ...] | None, limit: int, lease_for: int, endings: tuple[Ending, ...] = ()
    ) -> None:
        settlements = self._settlements(endings if self._leases else ())
        turn = Turn(f"{runner}-{self._crashes}", self._next())
        claim = Claim(runner=runner, turn=turn, queues=queues, limit=limit, lease_for=Millis(lease_for))
        leases = self._session.exchange(settlements, claim)
        self._asked[runner] = _Asked(claim, settlements, leases, self._session.now)
        self._leases += [(runner, lease) for lease in leases]
        self._session.compare()

    # Rules are drawn alike, so what a store does most of the time has more than one.
    @rule(runner=draws.runners, ending=st.none() | draws.endings)
    def work(self, runner: str, ending: Ending | None = None) -> None:
        """What a runner does most of the time."""
        self.claim(runner, None, 10, 60_000, () if ending is None else (ending,))

    @rule(runner=draws.runners, queues=draws.some_queues, limit=st.sampled_from((2, 1, 10)))
    def claim_named(self, runner: str, queues: tuple[str, ...], limit: int) -> None:
        self.claim(runner, queues, limit, 30_000)

    @precondition(lambda self: any(self._is_fresh(asked.at) for asked in self._asked.values()))
    @rule(runner=draws.runners, looks_only=st.booleans())
    def claim_again(self, runner: str, looks_only: bool) -> None:
        """A claim whose reply was lost is repeated as it was, or with ``limit=0`` to hand back what it leased."""
        asked = self._asked.get(runner)
        if asked is None or not self._is_fresh(asked.at):
            return
        claim = replace(asked.claim, limit=0) if looks_only else asked.claim
        settlements = () if looks_only else asked.settlements
        leases = self._session.repeat_exchange(settlements, claim, asked.leases)
        if not asked.leases:
            self._asked[runner] = asked._replace(leases=leases)
            self._leases += [(runner, lease) for lease in leases]
        self._session.compare()

    @precondition(lambda self: self._leases)
    @rule(endings=st.lists(draws.endings, min_size=1, max_size=3))
    def settle(self, endings: list[Ending]) -> None:
        self._session.exchange(self._settlements(endings), None)
        self._session.compare()

    @precondition(lambda self: self._leases)
    @rule(ending=draws.endings)
    def settle_one(self, ending: Ending) -> None:
        self.settle([ending])

    @precondition(lambda self: self._leases)
    @rule(which=st.lists(draws.which, min_size=1, max_size=3), lease_for=st.none() | draws.spans)
    def renew(self, which: list[int], lease_for: int | None) -> None:
        leases = [self._lease(each) for each in which]
        holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
        self._session.renew(holds, None if lease_for is None else Millis(lease_for))
        self._session.compare()

    @rule(ids=st.lists(draws.ids, min_size=1, max_size=2), has_memo=st.booleans(), keep_for=draws.keeps)
    def cancel(self, ids: list[str], has_memo: bool, keep_for: int) -> None:
        memo = b"" if has_memo else None
        self._session.act([Act(id=id, deed=Deed.CANCEL, memo=memo, keep_for=Millis(keep_for)) for id in ids])
        self._session.compare()

    @rule(ids=st.lists(draws.ids, min_size=1, max_size=2), ahead=draws.seen, edits=st.booleans(), delay=draws.delays)
    def replay(self, ids: list[str], ahead: int | None, edits: bool, delay: int) -> None:
        """``ahead`` of the token that stands: 0 is the operator who saw it, None one who does not say what he saw."""
        memo, body = b"replay %d" % self._next(), b"edited" if edits else None
        self._replays = [
            Act(id=id, deed=Deed.REPLAY, seen=self._seen(id, ahead), memo=memo, body=body, delay=Millis(delay))
            for id in ids
        ]
        self._session.act(self._replays)
        self._session.compare()

    @precondition(lambda self: self._replays)
    @rule()
    def replay_again(self) -> None:
        """A replay whose reply was lost is repeated as it was."""
        self._session.act(self._replays)
        self._session.compare()

    @rule(ids=st.lists(draws.ids, min_size=1, max_size=2), ahead=draws.seen)
    def delete(self, ids: list[str], ahead: int | None) -> None:
        self._session.act([Act(id=id, deed=Deed.DELETE, seen=self._seen(id, ahead)) for id in ids])
        self._session.compare()

    def _seen(self, id: str, ahead: int | None) -> Seen | None:
        job = self._session.reference.jobs.get(id)
        return None if ahead is None or job is None else Seen(job.state, job.token + ahead)

    @rule(span=draws.steps)
    def advance(self, span: int) -> None:
        self._session.reference.advance(span)
        self._session.compare()

    @precondition(lambda self: self._session.reference.next_change() is not None)
    @rule(short_of=st.sampled_from((0, 1)))
    def advance_to_what_comes(self, short_of: int) -> None:
        """To the very instant at which something is due, ends or expires, or to one millisecond before."""
        instant = self._session.reference.next_change()
        assert instant is not None
        self._session.reference.advance(instant - self._session.now - short_of)
        self._session.compare()

    @rule(firings=st.lists(draws.firings, min_size=1, max_size=2))
    def change_schedules(self, firings: list[Firing]) -> None:
        self._session.change([self._change(firing) for firing in firings])
        self._session.compare()

    def _change(self, firing: Firing) -> Change:
        stands = self._session.reference.schedules.get(firing.key)
        at = None if firing.next_run_at is None else Millis(self._session.now + firing.next_run_at)
        body = b"schedule %d" % self._next()
        successor = None if firing.delete else StoredSchedule(key=firing.key, version=0, next_run_at=at, body=body)
        expected = max(0, (stands.version if stands else 0) + firing.ahead)
        return Change(key=firing.key, expected=expected, successor=successor, jobs=self._new(firing.jobs))

    @rule(state=st.sampled_from(State), queue=st.none() | st.sampled_from(QUEUES))
    def look_at_jobs(self, state: State, queue: str | None) -> None:
        self._session.look_at_jobs(state, queue)

    @rule(what=st.sampled_from(("look", "crash", "switch", "reopen", "announce")), runner=draws.runners)
    def aside(self, what: str, runner: str) -> None:
        """What happens now and then."""
        match what:
            case "look":
                self._session.look_at_outcomes()
                self._session.look_at_schedules()
            case "crash":
                self._crash(runner)
            case "switch":
                self._session.switch()
            case "reopen":
                self._session.reopen()
            case _:
                until = Millis(self._session.now + 1_000 * (self._next() % 3 - 1))
                self._session.announce(RunnerNote(id=runner, queues=QUEUES, note=b"note", alive_until=until))
        self._session.compare()

    def _crash(self, runner: str) -> None:
        """The runner forgets everything; its next life is another sender."""
        self._crashes += 1
        self._asked.pop(runner, None)
        self._leases = [(holder, lease) for holder, lease in self._leases if holder != runner]
