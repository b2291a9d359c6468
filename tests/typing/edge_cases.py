# ruff: noqa: T201
"""Edge cases of the public surface, checked: mixin groups, TypedDict and dataclass inputs, frozen contexts,
context under TYPE_CHECKING, subclass of a runtime, a job that accepts None."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_type

from typing_extensions import TypedDict  # pydantic needs this one below 3.12

from flowli import BoundJob, DefinitionError, Flowli, job
from flowli_memory import MemoryDriver

if TYPE_CHECKING:
    from tests.typing.contract import AppContext as Imported  # noqa: TC004


class Point(TypedDict):
    x: int
    y: int


@dataclass
class Size:
    w: int


class HasName(Protocol):
    @property
    def name(self) -> str: ...


class HasMutableName(Protocol):
    name: str


@dataclass(frozen=True)
class Frozen:
    name: str


@job
async def draw(input: Point, *, ctx: HasName) -> str:
    return f"{ctx.name}:{input['x']}"


@job
async def grow(input: Size) -> Size:
    return Size(input.w + 1)


@job
async def maybe(input: int | None) -> int:
    return input or 0


@job
async def renames(input: int, *, ctx: HasMutableName) -> None:
    ctx.name = str(input)


@job
async def lazy(input: int, *, ctx: Imported) -> None: ...


class DrawingJobs:
    """A group is a plain class: a library can ship one."""

    draw = draw
    grow = grow


class Base(DrawingJobs, Flowli[Frozen]):
    maybe = maybe


class Extended(Base):
    renames = renames


async def main() -> None:
    app = Extended(context=Frozen("n"), driver=MemoryDriver())
    assert_type(app.draw, BoundJob[Point, None, str])
    assert await app.draw.run({"x": 1, "y": 2}) == "n:1"  # checked like the seed's object literal
    assert await app.grow.run(Size(1)) == Size(2)
    assert await app.maybe.run() == 0  # None accepted, so it may be left out
    assert await app.maybe.run(3) == 3
    assert sorted(app.jobs) == ["draw", "grow", "maybe", "renames"]
    try:

        class Clash(Flowli[Frozen]):  # pyright: ignore[reportUnusedClass]
            use = grow  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    except DefinitionError as exc:
        print("ok", exc)


async def negative(app: Extended) -> None:
    await app.draw.run({"x": 1})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await app.draw.run({"x": 1, "y": "2"})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    app.renames  # type: ignore[arg-type]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a frozen context cannot be written


if __name__ == "__main__":
    asyncio.run(main())
