"""``@job(limits=[...], fair_by=...)``: how many of a job may run at once and how often, and whose turn it is.

It knows how a call's input and meta become what a driver is told (`flowli.driver.Bonds`). It refuses to know how a
store keeps to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from flowli.driver import Ability, Bonds, Driver, Need, Rule
from flowli.durations import parse_span, to_millis
from flowli.errors import DefinitionError, FlowliError, ValidationError

if TYPE_CHECKING:
    from flowli.job import Job

__all__ = ["Bonding", "Concurrency", "Limit", "Of", "Rate", "check_limits", "rules_of"]

Of: TypeAlias = Callable[[Any], object] | Callable[[Any, Any], object]
"""Takes the input, or by the name ``meta`` the meta, or both."""

_MOST = 1_000_000_000
_MOST_BYTES = 200


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most ``at_once`` jobs run at once, over all runners; the others wait, and are woken when one has ended.

    With ``key`` that many for each key. ``weight`` is how much of the limit one job takes. Jobs that name the same
    limit share it; without a ``name`` it is the job's own. DefinitionError for numbers out of bounds.
    """

    at_once: int
    _: KW_ONLY
    key: Of | None = None
    """Computed from the input, or from the meta: ``lambda order: order.customer``, ``lambda meta: meta.tenant``."""
    weight: int | Of = 1
    """A number, or computed as the key is: ``lambda prompt: prompt.tokens``."""
    name: str | None = None

    def __post_init__(self) -> None:
        _check_number("Concurrency(at_once)", self.at_once)
        _check_limit(self)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``most`` jobs begin within any span of ``per``, over all runners, wherever that span begins.

    An attempt counts when its runner takes it. ``key``, ``weight`` and ``name`` are those of `Concurrency`.
    """

    most: int
    _: KW_ONLY
    per: Any
    """``"1m"`` or a `timedelta`."""
    key: Of | None = None
    weight: int | Of = 1
    name: str | None = None

    def __post_init__(self) -> None:
        _check_number("Rate(most)", self.most)
        if to_millis(_spanned(self.per)) == 0:
            raise DefinitionError("Rate(per=...) has to be longer than 0.")
        _check_limit(self)


Limit: TypeAlias = Concurrency | Rate


class Bonding:
    """The limits and the turns of one job, read from its definition once."""

    def __init__(self, job: str, limits: Iterable[Limit], fair_by: Of | None) -> None:
        self._job = job
        self._draws = [
            (self._rule(one), None if one.key is None else _Reader(job, one.key), _Reader(job, one.weight))
            for one in _listed(job, limits)
        ]
        self._group = None if fair_by is None else _Reader(job, fair_by)
        names = [rule.limit for rule, _, _ in self._draws]
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(
                    f"Job {job!r} has two limits named {name!r}. Give one of them another: name='...'."
                )

    @property
    def rules(self) -> Sequence[Rule]:
        """Of its limits."""
        return [rule for rule, _, _ in self._draws]

    @property
    def is_fair(self) -> bool:
        """Whether its jobs have turns."""
        return self._group is not None

    def __bool__(self) -> bool:
        return bool(self._draws) or self.is_fair

    def bonds(self, input: Any, meta: Any) -> Bonds:
        """What a job with this input and meta draws on, and whose turn it takes. ValidationError where that cannot be
        computed; its message holds neither."""
        needs = [
            Need(rule, "" if key is None else self._text("key", key, input, meta), self._weight(weight, input, meta))
            for rule, key, weight in self._draws
        ]
        return Bonds(
            needs=needs, group=None if self._group is None else self._text("fair_by", self._group, input, meta)
        )

    def bonds_without_input(self, meta: Any) -> Bonds:
        """The same for a job whose input is still to come. ValidationError where that is read."""
        readers = [reader for _, key, weight in self._draws for reader in (key, weight)]
        if any(reader is not None and reader.reads_input for reader in (*readers, self._group)):
            raise ValidationError(
                f"Job {self._job!r}: a key, a weight or fair_by of it is computed from its input, which is not known "
                f"before the step before it has ended. Compute it from 'meta', or give the step another job."
            )
        return self.bonds(None, meta)

    def _rule(self, limit: Limit) -> Rule:
        if isinstance(limit, Concurrency):
            return Rule(limit.name or f"{self._job}.concurrency", at_once=limit.at_once)
        return Rule(limit.name or f"{self._job}.rate", most=limit.most, span=to_millis(_spanned(limit.per)))

    def _text(self, what: str, read: _Reader, input: Any, meta: Any) -> str:
        text = str(self._value(what, read, input, meta))
        if not _is_short(text):
            raise ValidationError(
                f"Job {self._job!r}: its {what} has to be 1 to {_MOST_BYTES} bytes of printable text."
            )
        return text

    def _weight(self, read: _Reader, input: Any, meta: Any) -> int:
        weight = self._value("weight", read, input, meta)
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= _MOST:
            shown = weight if isinstance(weight, int) else type(weight).__name__
            raise ValidationError(f"Job {self._job!r}: a weight is a whole number from 1 to {_MOST}; got {shown}.")
        return weight

    def _value(self, what: str, read: _Reader, input: Any, meta: Any) -> object:
        try:
            return read(input, meta)
        except Exception as exc:
            raise ValidationError(
                f"Job {self._job!r}: its {what} failed with {type(exc).__name__} for this input and meta. It has to "
                f"return a value for everything that validates."
            ) from None


class _Reader:
    """Reads a value off input and meta: by a function of what its parameters name, or a number as it is."""

    def __init__(self, job: str, given: int | Of) -> None:
        self._given = given
        self._names: list[str] = []
        if not callable(given):
            return
        parameters = inspect.signature(given).parameters
        names = self._names = [name for name, one in parameters.items() if one.default is inspect.Parameter.empty]
        are_positional = all(parameters[name].kind in _POSITIONAL for name in names)
        if not names or len([name for name in names if name != "meta"]) > 1 or not are_positional:
            raise DefinitionError(
                f"Job {job!r}: a key or weight is computed from the input (any name), from 'meta', or from both; this "
                f"function takes {', '.join(names) or 'nothing'}."
            )

    @property
    def reads_input(self) -> bool:
        """Whether it cannot do without the input."""
        return any(name != "meta" for name in self._names)

    def __call__(self, input: Any, meta: Any) -> object:
        if not callable(self._given):
            return self._given
        function: Callable[..., object] = self._given
        return function(*(meta if name == "meta" else input for name in self._names))


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_limits(jobs: Mapping[str, Job[Any, Any, Any, Any]], driver: Driver | None, where: str) -> None:
    """DefinitionError where two jobs say different things of one limit, or the driver cannot keep what they ask for."""
    rules: dict[str, tuple[Rule, str]] = {}
    for job in jobs.values():
        for rule in job.bonding.rules:
            stands, first = rules.setdefault(rule.limit, (rule, job.name))
            if stands != rule:
                raise DefinitionError(
                    f"{where}: jobs {first!r} and {job.name!r} say different things of limit {rule.limit!r}. A limit "
                    f"that is shared is the same in each."
                )
        for lacks, ability in ((job.bonding.rules, Ability.LIMITS), (job.bonding.is_fair, Ability.FAIRNESS)):
            if lacks and driver is not None and ability not in driver.abilities:
                raise DefinitionError(f"Job {job.name!r} needs the ability {ability.value!r}, which {driver} lacks.")


def rules_of(jobs: Mapping[str, Job[Any, Any, Any, Any]]) -> list[Rule]:
    """The rules of all limits of these jobs."""
    return list({rule.limit: rule for job in jobs.values() for rule in job.bonding.rules}.values())


def _listed(job: str, limits: Iterable[Any]) -> list[Limit]:
    listed = list(limits)
    for one in listed:
        if not isinstance(one, Concurrency | Rate):
            raise DefinitionError(
                f"Job {job!r}: limits= takes a list of Concurrency(...) and Rate(...); got {type(one).__name__}."
            )
    return listed


def _spanned(per: Any) -> Any:
    try:
        return parse_span(per, what="Rate(per=...)")
    except FlowliError as exc:
        raise DefinitionError(str(exc)) from None


def _check_number(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise DefinitionError(f"{what} is a whole number from 1 to {_MOST}; got {value!r}.")


def _check_limit(limit: Limit) -> None:
    if not callable(limit.weight):
        _check_number("weight", limit.weight)
    if limit.key is not None and not callable(limit.key):
        raise DefinitionError(
            "key= is a function of the input or the meta, such as lambda order: order.customer. To share one limit "
            "between jobs, give it a name= instead."
        )
    name = limit.name
    if name is not None and not _is_short(name):
        raise DefinitionError(f"The name of a limit is 1 to {_MOST_BYTES} bytes of printable text; got {name!r}.")


def _is_short(text: str) -> bool:
    return text.isprintable() and 0 < len(text.encode("utf-8", "surrogatepass")) <= _MOST_BYTES
