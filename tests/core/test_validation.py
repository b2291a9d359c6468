"""Input and meta are validated before anything is stored, and nothing of them is ever shown."""

from __future__ import annotations

import logging
import traceback
from datetime import date
from math import inf, nan
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from flowli import Flowli, Job, Runner, ValidationError, job
from flowli.driver import NewJob
from flowli.wire import FORMAT, encode_body
from flowli_memory import MemoryDriver
from tests.core.work import Email, RequestMeta, app

pytestmark = pytest.mark.anyio

CANARY = "canary-4711"


class Talkative(BaseModel):
    """Each of its fields refuses the canary, some in words that quote it."""

    number: int = 0
    day: date = date(2030, 1, 1)
    kind: Literal["a", "b"] = "a"
    short: Annotated[str, Field(max_length=3)] = ""
    secret: SecretStr = SecretStr("")
    quoting: str = ""
    asserting: str = ""
    custom: str = ""

    @field_validator("quoting")
    @classmethod
    def quote(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value} is not allowed")
        return value

    @field_validator("asserting")
    @classmethod
    def claim(cls, value: str) -> str:
        assert not value, f"{value} is not empty"
        return value

    @field_validator("custom")
    @classmethod
    def custom_error(cls, value: str) -> str:
        if value:
            raise PydanticCustomError("bad_token", "the token {token} is bad", {"token": value})
        return value


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Closed(BaseModel, extra="forbid"):
    limits: dict[str, int] = {}


def refuse(value: str) -> str:
    raise ValueError(value)


@job
async def talk(input: Talkative) -> None: ...


@job
async def own(input: Owner) -> None: ...


@job
async def close(input: Closed) -> None: ...


@job
async def refused(input: Annotated[str, AfterValidator(refuse)]) -> None: ...


@job
async def with_meta(*, meta: Talkative) -> None: ...


class Strict(Flowli):
    talk = talk
    own = own
    close = close
    refused = refused
    with_meta = with_meta


def strict() -> Strict:
    return Strict(context=None, driver=MemoryDriver())


def shown(error: BaseException) -> str:
    """Everything that a log, a user or an error tracker is shown of an exception."""
    issues = getattr(error, "issues", ())
    return "\n".join([str(error), repr(error), repr(issues), repr(error.args), *traceback.format_exception(error)])


@pytest.mark.parametrize(
    "field", ["number", "day", "kind", "short", "quoting", "asserting", "custom", "secret"], ids=str
)
@pytest.mark.parametrize("strategy", ["run", "enqueue", "delay", "schedule", "enqueue_many"])
async def test_no_value_of_an_input_is_ever_shown(strategy: str, field: str, caplog: pytest.LogCaptureFixture) -> None:
    value: Any = {field: [CANARY] if field == "secret" else CANARY}
    bound: Any = strict().talk
    calls = {
        "run": lambda: bound.run(value),
        "enqueue": lambda: bound.enqueue(value),
        "delay": lambda: bound.delay("1h", value),
        "schedule": lambda: bound.schedule("1h", value, key="k"),
        "enqueue_many": lambda: bound.enqueue_many([value]),
    }

    with caplog.at_level(logging.DEBUG), pytest.raises(ValidationError) as found:
        await calls[strategy]()
    assert found.value.issues[0]["loc"][-1] == field
    assert CANARY not in shown(found.value)
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("refusing", "value"),
    [
        (own, {"pet": {"kind": CANARY}}),
        (close, {"limits": {CANARY: "x"}}),
        (close, {CANARY: 1}),
        (refused, CANARY),
    ],
    ids=["tag of a union", "key of a dict", "name of an extra field", "validator of a plain type"],
)
async def test_no_part_of_an_input_is_shown_by_another_way(refusing: Job[object, Any, None, None], value: Any) -> None:
    with pytest.raises(ValidationError) as found:
        await strict().use(refusing).enqueue(value)
    assert len(found.value.issues) == 1
    assert CANARY not in shown(found.value)


async def test_no_value_of_a_meta_is_ever_shown() -> None:
    meta: Any = {"quoting": CANARY, "number": CANARY}

    with pytest.raises(ValidationError, match="Job 'with_meta': meta does not validate") as found:
        await strict().with_meta.enqueue(meta=meta)
    assert [issue["loc"] for issue in found.value.issues] == [("meta", "number"), ("meta", "quoting")]
    assert CANARY not in shown(found.value)


async def test_a_stored_input_that_does_not_validate_any_more_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flowli = strict()
    driver = await flowli.__flowli__.driver("the test")
    body = encode_body(b'{"quoting": "%b", "number": "%b"}' % (CANARY.encode(), CANARY.encode()), None)
    await driver.enqueue([NewJob("one", "default", "talk", FORMAT, body)])

    with caplog.at_level(logging.DEBUG):
        await Runner(flowli).run_once()
    record = await flowli.talk.handle("one").record()
    assert (record.state, record.reason) == ("failed", "validation")
    assert CANARY not in repr(record) and CANARY not in caplog.text


async def test_the_message_names_the_job_the_place_and_the_kind() -> None:
    with pytest.raises(ValidationError) as found:
        await app().send.enqueue({"subject": 1})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    assert str(found.value) == (
        "Job 'send': input does not validate.\n"
        "  input.to: Field required\n"
        "  input.subject: Input should be a valid string"
    )
    assert found.value.issues == (
        {"loc": ("input", "to"), "type": "missing", "msg": "Field required"},
        {"loc": ("input", "subject"), "type": "string_type", "msg": "Input should be a valid string"},
    )


async def test_a_long_list_of_issues_is_cut_in_the_text_alone() -> None:
    class Wide(BaseModel):
        values: list[int]

    async def wide(input: Wide) -> None:
        Wide(values=[])

    made: Job[object, Any, None, None] = Job(wide)
    with pytest.raises(ValidationError, match=r"and 2 more, see \.issues$") as found:
        await Flowli(context=None, jobs=[made]).use(made).run({"values": ["x"] * 7})
    assert len(found.value.issues) == 7


async def test_meta_that_is_missing_or_that_nobody_takes_is_refused() -> None:
    flowli: Any = app()

    with pytest.raises(ValidationError, match="Job 'audit': meta does not validate"):
        await flowli.audit.enqueue("x")
    with pytest.raises(ValidationError, match="Job 'echo': its handler takes no meta. Leave meta= out"):
        await flowli.echo.enqueue("x", meta=RequestMeta(request_id="r"))
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_an_input_for_a_handler_that_takes_none_is_refused() -> None:
    flowli: Any = app()

    with pytest.raises(ValidationError, match="Job 'tick': input does not validate"):
        await flowli.tick.enqueue("x")
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_one_invalid_item_refuses_the_whole_batch_with_the_index_of_each() -> None:
    flowli: Any = app()

    with pytest.raises(ValidationError, match=r"^Nothing of the batch was stored\. Job 'send': input does") as found:
        await flowli.send.enqueue_many([Email(to="a"), {"to": 1}, Email(to="b"), {}])
    assert [issue["loc"] for issue in found.value.issues] == [("input", 1, "to"), ("input", 3, "to")]
    assert (await flowli.inspect.get_queue_counts()).queued == 0


async def test_an_input_that_validates_but_cannot_be_written_is_refused_without_its_value() -> None:
    async def anything(input: Any) -> None: ...

    made: Job[object, Any, None, None] = Job(anything)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver())

    class Unwritable:
        def __repr__(self) -> str:
            return CANARY

    with pytest.raises(ValidationError, match="cannot be serialised") as found:
        await flowli.use(made).enqueue(Unwritable())
    assert CANARY not in shown(found.value)


class Reading(BaseModel):
    at: str = "here"
    value: float | None = None


class Spelled(Reading, ser_json_inf_nan="constants"):
    note: str | None = None


NOT_IN_JSON = {"bare": (float, nan), "field": (Reading, Reading(value=inf)), "any": (Any, {"deep": [-inf]})}


@pytest.mark.parametrize(("kind", "value"), NOT_IN_JSON.values(), ids=NOT_IN_JSON.keys())
async def test_a_number_that_json_has_not_is_refused_rather_than_stored_as_null(kind: Any, value: Any) -> None:
    async def measure(input: Any) -> None: ...

    measure.__annotations__["input"] = kind
    made: Job[object, Any, None, None] = Job(measure)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver())

    with pytest.raises(ValidationError, match="Job 'measure': .* holds NaN or an infinity"):
        await flowli.use(made).enqueue(value)
    assert (await flowli.inspect.get_queue_counts()).queued == 0


@pytest.mark.parametrize("value", [Reading(), Reading(at="null"), Spelled(value=-inf)])
async def test_a_null_that_means_none_and_a_number_that_the_model_spells_out_are_kept(value: Reading) -> None:
    async def measure(input: Reading) -> Reading:
        return input

    measure.__annotations__.update({"input": type(value), "return": type(value)})
    made: Job[object, Reading, None, Reading] = Job(measure)
    flowli = Flowli(context=None, jobs=[made], driver=MemoryDriver())
    handle = await flowli.use(made).enqueue(value)
    await Runner(flowli).run_once()

    assert await handle.result(timeout=5) == value


async def test_a_secret_is_stored_in_a_form_that_is_no_secret() -> None:
    flowli = strict()
    handle = await flowli.talk.enqueue(Talkative(secret=SecretStr(CANARY)))

    record = await handle.record()
    assert record.input_json is not None
    assert CANARY.encode() not in record.input_json


async def test_what_is_valid_is_stored_as_the_model_writes_it() -> None:
    record = await (await app().send.enqueue(Email(to="a"))).record()

    assert record.input_json == b'{"to":"a","subject":"hello"}'
