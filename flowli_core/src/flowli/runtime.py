"""``Flowli[Ctx]``: the runtime. Subclass it and name the jobs; the instance is the surface.

It knows registration: names, duplicates, what is reserved. It refuses to execute or store anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar, Generic, Self, TypeGuard

from typing_extensions import TypeVar

from flowli.bound import BoundJob
from flowli.codec import PayloadCodec
from flowli.context import Context, ContextSource, Lifespan
from flowli.core import Core
from flowli.declared import Schedule, check_declared, reconcile
from flowli.driver import Driver
from flowli.errors import DefinitionError
from flowli.hub import hub_of
from flowli.inspection import Control, Inspect
from flowli.job import Job
from flowli.limiting import check_limits
from flowli.limits import Limits
from flowli.options import Defaults
from flowli.throttling import write_rules

__all__ = ["Flowli"]

_C = TypeVar("_C")
_I = TypeVar("_I")
_M = TypeVar("_M")
_R = TypeVar("_R")
_C_co = TypeVar("_C_co", covariant=True, default=None)

_AnyJob = Job[Any, Any, Any, Any]

_RESERVED = frozenset({"jobs", "use", "slot", "inspect", "control"})


class Flowli(Generic[_C_co]):
    """Jobs, a context, and optionally a driver. Any number of runtimes may carry a job; several may share a driver.

    ``context`` is a value or a factory (`ContextSource`), ``lifespan`` makes what lives as long as the runtime is open.
    ``codec`` signs or encrypts what is stored (`flowli.codec`), ``limits`` bounds it.
    ``schedules`` are written to the store by ``async with`` and by runners, where their definition in code changed.
    Raises DefinitionError for duplicate or reserved names, and for a job that takes ``ctx`` where the context is None.
    """

    __flowli_jobs__: ClassVar[Mapping[str, _AnyJob]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        attributes: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for attribute, value in vars(base).items():
                if attribute in _RESERVED and base is not Flowli:
                    raise DefinitionError(
                        f"{cls.__name__}.{attribute} shadows Flowli.{attribute}; pick another attribute name."
                    )
                attributes[attribute] = value  # an attribute of a subclass takes the place of its base's
        found: dict[str, _AnyJob] = {}
        for value in filter(_is_job, attributes.values()):
            _register(found, value, cls.__name__)
        cls.__flowli_jobs__ = found

    def __init__(
        self,
        *,
        context: ContextSource[_C_co],
        driver: Driver | None = None,
        jobs: Iterable[Job[_C_co, Any, Any, Any]] | Mapping[str, Job[_C_co, Any, Any, Any]] | ModuleType = (),
        defaults: Defaults | None = None,
        lifespan: Lifespan | None = None,
        schedules: Iterable[Schedule[_C_co]] = (),
        codec: PayloadCodec | None = None,
        limits: Limits | None = None,
    ) -> None:
        _check_kinds(driver, defaults)
        found = dict(self.__flowli_jobs__)
        for extra in _listed(jobs):
            _register(found, extra, type(self).__name__)
        for one in found.values():
            if one.takes_ctx and context is None:
                raise DefinitionError(
                    f"Job {one.name!r} takes ctx, and {type(self).__name__} has context=None. Pass a context, or take "
                    f"'ctx' out of the handler."
                )
        check_limits(found, driver, type(self).__name__)
        self.__flowli__: Core = Core(
            self,
            jobs=MappingProxyType(found),
            context=Context(context, lifespan),
            hub=None if driver is None else hub_of(driver),
            driver_name=None if driver is None else str(driver),
            process_local=driver is not None and driver.process_local,
            defaults=(defaults or Defaults()).resolved(),
            schedules=check_declared(schedules, found, type(self).__name__),
            codec=codec,
            limits=limits or Limits(),
        )

    @property
    def jobs(self) -> Mapping[str, Job[Any, Any, Any, Any]]:
        """The registered jobs by name; read-only."""
        return self.__flowli__.jobs

    @property
    def inspect(self) -> Inspect:
        """Reads of what is persisted."""
        return Inspect(self.__flowli__)

    @property
    def control(self) -> Control:
        """Acts on what is persisted."""
        return Control(self.__flowli__)

    def use(self: Flowli[_C], job: Job[_C, _I, _M, _R], /) -> BoundJob[_I, _M, _R]:
        """Bind a job held as a value. DefinitionError if it is not registered here."""
        core = self.__flowli__
        if core.jobs.get(job.name) is not job:
            known = ", ".join(sorted(core.jobs)) or "none"
            raise DefinitionError(f"Job {job.name!r} is not registered on {core.name}. Known jobs: {known}.")
        return BoundJob(core, job)

    @classmethod
    def slot(cls: type[Flowli[_C]], job: Job[_C, _I, _M, _R], /) -> Job[_C, _I, _M, _R]:
        """The job itself. In a class body it moves the static check of the context to the declaration."""
        return job

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self.__flowli__.enter(certain=True)
            stack.push_async_callback(self.__flowli__.leave)
            await write_rules(self.__flowli__)
            await reconcile(self.__flowli__)
            stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.__flowli__.leave()

    def __repr__(self) -> str:
        core = self.__flowli__
        return f"<{core.name} jobs={len(core.jobs)} driver={core.driver_name}>"


def _is_job(value: object) -> TypeGuard[_AnyJob]:
    return isinstance(value, Job)


def _check_kinds(driver: object, defaults: object) -> None:
    if driver is not None and (isinstance(driver, type) or not hasattr(driver, "exchange")):
        raise DefinitionError(
            f"driver= takes a driver, such as RedisDriver('redis://...', prefix='app') or MemoryDriver(); got "
            f"{_kind(driver)}."
        )
    if defaults is not None and not isinstance(defaults, Defaults):
        raise DefinitionError(f"defaults= takes Defaults(max_attempts=3, ...); got {_kind(defaults)}.")


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _listed(jobs: Any) -> list[_AnyJob]:
    if not (hasattr(jobs, "__iter__") or isinstance(jobs, ModuleType)):
        raise DefinitionError(f"jobs= takes a list, a mapping or a module of jobs; got {type(jobs).__name__}.")
    if isinstance(jobs, ModuleType):
        return list({id(value): value for value in vars(jobs).values() if _is_job(value)}.values())
    listed: list[Any] = list(jobs.values() if hasattr(jobs, "values") else jobs)
    for one in listed:
        if not _is_job(one):
            raise DefinitionError(
                f"jobs= takes Job objects; got {type(one).__name__}. Decorate the function with @job."
            )
    return listed


def _register(found: dict[str, _AnyJob], one: _AnyJob, where: str) -> None:
    known = found.setdefault(one.name, one)
    if known is not one:
        raise DefinitionError(
            f"{where} has two jobs named {one.name!r}. A name is what stored jobs are found by: give one of them "
            f"another, @job(name='...')."
        )
