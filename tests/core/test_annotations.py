"""Annotations of a handler: those of input, meta and result are read on first use, that of ``ctx`` never."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from flowli import DefinitionError, Flowli, Job, Runner, job
from flowli_memory import MemoryDriver
from tests.core.work import Email, Point, RequestMeta, Services

if TYPE_CHECKING:
    from tests.core.work import HasLog as Elsewhere
    from tests.core.work import Point as Absent

pytestmark = pytest.mark.anyio


@job
async def lazy(text: str, *, ctx: Elsewhere) -> str:
    return text


@job
async def absent_input(input: Absent) -> str:
    return "never"


@job
async def absent_meta(text: str, *, meta: Absent) -> str:
    return "never"


@job
async def absent_result(text: str) -> Absent:
    return Point(1)


@job
async def forward(input: Later) -> str:
    return input.text


@job
async def unannotated(input: Absent) -> Absent:
    return input


del unannotated.handler.__annotations__["input"]


@job
async def odd(input: Services | Odd) -> None: ...


class Later(BaseModel):
    text: str


class Odd:
    """A class that pydantic knows nothing of."""


class Size(TypedDict):
    width: int


class Plain(typing.TypedDict):
    width: int


async def takes_plain(size: Plain) -> None: ...


@job
async def sized(size: Size) -> int:
    return size["width"]


class Annotated_(Flowli[Services]):
    lazy = lazy
    forward = forward
    sized = sized
    odd = odd


async def test_the_annotation_of_ctx_is_never_evaluated() -> None:
    assert await Annotated_(context=Services(), driver=MemoryDriver()).lazy.run("x") == "x"


async def test_a_stored_job_with_such_a_ctx_is_executed_too() -> None:
    flowli = Annotated_(context=Services(), driver=MemoryDriver())
    handle = await flowli.lazy.enqueue("x")

    assert await Runner(flowli).run_once() == 1
    assert await handle.result() == "x"


@pytest.mark.parametrize(
    ("wrong", "parameter"), [(absent_input, "input"), (absent_meta, "meta")], ids=["input", "meta"]
)
async def test_an_annotation_under_type_checking_is_refused_on_first_use_with_what_to_do(
    wrong: Job[object, Any, Any, str], parameter: str
) -> None:
    flowli = Flowli(context=None, jobs=[wrong])

    with pytest.raises(DefinitionError) as refused:
        await flowli.use(wrong).run("x", meta=None)
    assert str(refused.value) == (
        f"Job {wrong.name!r}: the annotation of {parameter!r} names 'Absent', which is not importable at run time. "
        f"Move its import out of 'if TYPE_CHECKING:' (ruff: runtime-evaluated-decorators = ['flowli.job'])."
    )


async def test_a_result_that_run_returns_needs_no_annotation_that_can_be_read() -> None:
    assert await Flowli(context=None, jobs=[absent_result]).use(absent_result).run("x") == Point(1)


async def test_an_input_may_be_defined_below_its_handler() -> None:
    assert await Annotated_(context=Services()).forward.run(Later(text="x")) == "x"


async def test_an_input_without_annotation_is_taken_as_it_is() -> None:
    flowli = Flowli(context=None, jobs=[unannotated])

    assert await flowli.use(unannotated).run({"a": [1]}) == {"a": [1]}  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def test_a_typed_dict_is_an_input() -> None:
    assert await Annotated_(context=Services()).sized.run({"width": 3}) == 3


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on pydantic reads the TypedDict of typing too")
async def test_a_typed_dict_that_this_python_cannot_read_is_refused_with_the_one_to_import() -> None:
    made: Job[object, Any, None, None] = job(name="plain")(takes_plain)
    with pytest.raises(DefinitionError, match="from typing_extensions import TypedDict"):
        await Flowli(context=None, jobs=[made]).use(made).run({"width": 3})


async def test_a_type_that_pydantic_cannot_validate_is_refused_with_what_to_use() -> None:
    with pytest.raises(DefinitionError, match="Job 'odd': pydantic cannot validate the annotation of 'input'"):
        await Annotated_(context=Services()).odd.run(Services())


async def test_a_handler_in_a_function_may_use_models_that_it_also_names_in_its_body() -> None:
    class Local(BaseModel):
        to: str

    async def local(input: Local) -> str:
        return Local.model_validate(input).to

    made: Job[object, Local, None, str] = Job(local)
    assert await Flowli(context=None, jobs=[made]).use(made).run(Local(to="a")) == "a"


async def test_the_handler_gets_what_validation_made_of_the_input() -> None:
    async def kinds(input: Email, *, meta: RequestMeta | None = None) -> str:
        return f"{type(input).__name__} {type(meta).__name__}"

    made: Job[object, object, object, str] = Job(kinds)
    flowli = Flowli(context=None, jobs=[made])
    assert await flowli.use(made).run({"to": "a"}, meta={"request_id": "r"}) == "Email RequestMeta"
