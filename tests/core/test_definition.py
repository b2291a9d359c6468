"""``@job``: the shapes a handler may have, names, options, and what a definition refuses."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from flowli import Backoff, DefinitionError, Flowli, Job, StrategyError, job
from tests.core.decorators import passed_on, traced
from tests.core.work import Email, RequestMeta, Services, echo

pytestmark = pytest.mark.anyio


# The eight shapes, async and not. Each returns what it got.
@job
async def bare() -> str:
    return "bare"


@job
async def with_meta(*, meta: RequestMeta) -> str:
    return meta.request_id


@job
async def with_ctx(*, ctx: Services) -> int:
    return len(ctx.log)


@job
async def with_both(*, ctx: Services, meta: RequestMeta) -> str:
    return f"{len(ctx.log)} {meta.request_id}"


@job
async def with_input(text: str) -> str:
    return text


@job
async def with_input_meta(text: str, *, meta: RequestMeta | None = None) -> str:
    return text if meta is None else f"{text} {meta.request_id}"


@job
async def with_input_ctx(text: str, *, ctx: Services) -> str:
    return f"{text} {len(ctx.log)}"


@job
async def with_all(text: str, *, ctx: Services, meta: RequestMeta) -> str:
    return f"{text} {len(ctx.log)} {meta.request_id}"


@job
def plain_bare() -> str:
    return "bare"


@job
def plain_with_meta(*, meta: RequestMeta) -> str:
    return meta.request_id


@job
def plain_with_ctx(*, ctx: Services) -> int:
    return len(ctx.log)


@job
def plain_with_both(*, ctx: Services, meta: RequestMeta) -> str:
    return f"{len(ctx.log)} {meta.request_id}"


@job
def plain_with_input(text: str) -> str:
    return text


@job
def plain_with_input_meta(text: str, *, meta: RequestMeta | None = None) -> str:
    return text if meta is None else f"{text} {meta.request_id}"


@job
def plain_with_input_ctx(text: str, *, ctx: Services) -> str:
    return f"{text} {len(ctx.log)}"


@job
def plain_with_all(text: str, *, ctx: Services, meta: RequestMeta) -> str:
    return f"{text} {len(ctx.log)} {meta.request_id}"


META = RequestMeta(request_id="r1")


class Shapes(Flowli[Services]):
    bare = bare
    with_meta = with_meta
    with_ctx = with_ctx
    with_both = with_both
    with_input = with_input
    with_input_meta = with_input_meta
    with_input_ctx = with_input_ctx
    with_all = with_all
    plain_bare = plain_bare
    plain_with_meta = plain_with_meta
    plain_with_ctx = plain_with_ctx
    plain_with_both = plain_with_both
    plain_with_input = plain_with_input
    plain_with_input_meta = plain_with_input_meta
    plain_with_input_ctx = plain_with_input_ctx
    plain_with_all = plain_with_all


async def test_an_async_handler_of_each_shape_gets_what_it_names() -> None:
    shapes = Shapes(context=Services())

    assert await shapes.bare.run() == "bare"
    assert await shapes.with_meta.run(meta=META) == "r1"
    assert await shapes.with_ctx.run() == 0
    assert await shapes.with_both.run(meta=META) == "0 r1"
    assert await shapes.with_input.run("x") == "x"
    assert await shapes.with_input_meta.run("x") == "x"
    assert await shapes.with_input_meta.run("x", meta=META) == "x r1"
    assert await shapes.with_input_ctx.run("x") == "x 0"
    assert await shapes.with_all.run("x", meta=META) == "x 0 r1"


async def test_a_sync_handler_of_each_shape_gets_what_it_names() -> None:
    shapes = Shapes(context=Services())

    assert await shapes.plain_bare.run() == "bare"
    assert await shapes.plain_with_meta.run(meta=META) == "r1"
    assert await shapes.plain_with_ctx.run() == 0
    assert await shapes.plain_with_both.run(meta=META) == "0 r1"
    assert await shapes.plain_with_input.run("x") == "x"
    assert await shapes.plain_with_input_meta.run("x") == "x"
    assert await shapes.plain_with_input_meta.run("x", meta=META) == "x r1"
    assert await shapes.plain_with_input_ctx.run("x") == "x 0"
    assert await shapes.plain_with_all.run("x", meta=META) == "x 0 r1"


def test_the_name_is_the_functions_own_without_its_module() -> None:
    assert echo.name == "echo"


@pytest.mark.parametrize("name", ["a", "nightly-cleanup", "mail/send now", "x" * 200, "\u00fcber"])
def test_any_printable_name_of_up_to_200_bytes_is_taken(name: str) -> None:
    assert job(name=name)(echo.handler).name == name


@pytest.mark.parametrize("name", ["", "x" * 201, "\u00e9" * 101, "two\nlines", "\x00"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"A job's name is 1 to 200 bytes of printable text") as refused:
        job(name=name)(echo.handler)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("handler", [lambda: None, functools.partial(echo.handler)])
def test_a_handler_without_a_name_needs_one(handler: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match=r"Pass one: @job\(name='\.\.\.'\)"):
        Job(handler)
    assert Job(handler, name="named").name == "named"


def test_a_definition_keeps_what_it_was_given() -> None:
    made = job(name="n", description="d", tags=("a", "b"), max_attempts=3, timeout="30s")(echo.handler)

    assert (made.name, made.description, made.tags) == ("n", "d", ("a", "b"))
    assert made.options == {"max_attempts": 3, "timeout": "30s"}
    assert made.handler is echo.handler
    assert repr(made) == "<Job 'n'>"


def test_the_description_defaults_to_the_docstring() -> None:
    @job
    async def documented() -> None:
        """What it does."""

    assert documented.description == "What it does."
    assert echo.description is None


def test_options_given_in_two_steps_add_up() -> None:
    mail = job(queue="mail", max_attempts=2)

    assert mail(max_attempts=5)(echo.handler).options == {"queue": "mail", "max_attempts": 5}
    assert mail(echo.handler).options == {"queue": "mail", "max_attempts": 2}


def test_calling_a_job_raises_and_says_how_it_is_executed() -> None:
    with pytest.raises(StrategyError, match=r"Job 'echo' is a definition and cannot be called.*flowli\.echo\.run\("):
        echo("x")


async def test_the_function_itself_is_there_for_a_unit_test() -> None:
    assert await echo.handler("x") == "x"


def test_a_second_parameter_of_data_is_refused_by_its_name() -> None:
    async def two(a: int, b: int, *, ctx: Services) -> None: ...

    with pytest.raises(DefinitionError, match=r"Job 'two': a handler takes one input, but 'b' follow\(s\) 'a'"):
        Job(two)


@pytest.mark.parametrize(
    ("parameters", "named"), [("*args", "args"), ("**kwargs", "kwargs"), ("*, later", "later"), ("a, *, c=1", "c")]
)
def test_a_parameter_that_nobody_fills_is_refused(parameters: str, named: str) -> None:
    found: dict[str, Any] = {}
    exec(f"def strange({parameters}): ...", found)

    with pytest.raises(DefinitionError, match=f"Job 'strange': '{named}' can get no value"):
        Job(found["strange"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 0}, "max_attempts is a whole number from 1 to 10000; got 0"),
        ({"max_atempts": 2}, "There is no option 'max_atempts'. Known options: backoff, "),
        ({"timeout": 30}, "timeout is a bare number"),
        ({"backoff": "2s"}, "backoff is a Backoff"),
    ],
)
def test_a_wrong_option_is_refused_where_the_job_is_defined(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        Job(echo.handler, **options)
    assert str(refused.value).startswith("Job 'echo': ") and said in str(refused.value)


async def passes_on() -> AsyncGenerator[int]:
    yield 1


def yields() -> Generator[int]:
    yield 1


@pytest.mark.parametrize("handler", [passes_on, yields])
def test_a_handler_that_yields_would_never_be_executed_and_is_refused(handler: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match=f"Job '{handler.__name__}': its handler has a 'yield'"):
        Job(handler)


@pytest.mark.parametrize("handler", ["send_email", echo, 5])
def test_what_is_no_function_is_refused_by_its_type(handler: Any) -> None:
    with pytest.raises(DefinitionError, match=f"@job takes the handler, a function; got {type(handler).__name__}"):
        job(handler)


def test_a_backoff_that_cannot_be_meant_is_a_definition_error() -> None:
    with pytest.raises(DefinitionError, match="longer than"):
        Backoff(delay="1h", max_delay="1m")


async def test_a_job_may_stand_in_the_class_body_as_a_staticmethod_or_a_function() -> None:
    class Inline(Flowli):
        @job
        async def first(text: str) -> str:  # pyright: ignore[reportGeneralTypeIssues]
            return text

        second: Job[object, str, None, str] = Job(staticmethod(echo.handler), name="second")

    inline = Inline(context=None)
    assert sorted(inline.jobs) == ["first", "second"]
    assert await inline.first.run("x") == "x"
    assert await inline.second.run("x") == "x"


@job
@traced
async def wrapped(input: Email) -> str:
    return input.to


@job
@passed_on
async def handed_on(input: Email) -> str:
    return input.to


class Decorated(Flowli):
    wrapped = wrapped
    handed_on = handed_on


async def test_a_wrapped_handler_is_read_where_it_was_written() -> None:
    flowli = Decorated(context=None)

    assert await flowli.wrapped.run(Email(to="a")) == "a"


async def test_an_awaitable_that_a_plain_wrapper_returns_is_awaited() -> None:
    flowli = Decorated(context=None)

    assert await flowli.handed_on.run(Email(to="a")) == "a"


class Callable_:
    """A callable object as a handler."""

    async def __call__(self, text: str) -> str:
        return text


async def test_a_callable_object_may_be_a_handler() -> None:
    made: Job[object, str, None, str] = Job(Callable_(), name="object")

    assert await Flowli(context=None, jobs=[made]).use(made).run("x") == "x"
