"""Runtimes: how jobs get onto one, which names are refused, and how a job that is not there is reported."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from flowli import BoundJob, DefinitionError, Flowli, Job, job
from flowli_memory import MemoryDriver
from tests.core import work
from tests.core.work import App, Services, add, app, echo, send

pytestmark = pytest.mark.anyio


class Mail:
    """A group of jobs: a plain class."""

    send = send


class Combined(Mail, Flowli[Services]):
    echo = echo


class Extended(Combined):
    add = add


def other(name: str) -> Job[object, str, None, str]:
    return job(name=name)(echo.handler)


def test_the_class_body_is_the_registry() -> None:
    assert sorted(app().jobs) == ["add", "audit", "boom", "echo", "give_up", "move", "send", "tick"]


def test_the_attribute_of_the_class_is_the_definition_and_that_of_an_instance_is_bound() -> None:
    assert App.echo is echo
    assert isinstance(app().echo, BoundJob)
    assert app().echo.job is echo


def test_groups_and_base_classes_bring_their_jobs() -> None:
    assert sorted(Combined(context=Services()).jobs) == ["echo", "send"]
    assert sorted(Extended(context=Services()).jobs) == ["add", "echo", "send"]
    assert sorted(Combined(context=Services()).jobs) == ["echo", "send"]


async def test_a_job_is_reached_by_its_attribute_whatever_its_name() -> None:
    class Renamed(Flowli):
        attribute = other("its-own-name")

    flowli = Renamed(context=None)
    assert list(flowli.jobs) == ["its-own-name"]
    assert await flowli.attribute.run("x") == "x"


@pytest.mark.parametrize("jobs", [[echo, add], (echo, add), {"e": echo, "a": add}, iter([echo, add])])
async def test_jobs_are_taken_from_a_list_a_mapping_or_any_iterable(jobs: Any) -> None:
    flowli = Flowli(context=None, jobs=jobs)

    assert sorted(flowli.jobs) == ["add", "echo"]
    assert await flowli.use(echo).run("x") == "x"


def test_jobs_are_taken_from_a_module_whatever_else_is_in_it() -> None:
    assert sorted(Flowli(context=Services(), jobs=work).jobs) == sorted(app().jobs)


def test_a_job_that_a_module_names_twice_is_one() -> None:
    module = ModuleType("jobs")
    vars(module).update(echo=echo, again=echo)

    assert list(Flowli(context=None, jobs=module).jobs) == ["echo"]


def test_jobs_of_the_class_and_of_the_instance_add_up() -> None:
    assert sorted(Combined(context=Services(), jobs=[add]).jobs) == ["add", "echo", "send"]


def test_the_same_job_under_two_attributes_is_one() -> None:
    class Twice(Flowli):
        one = echo
        two = echo

    assert list(Twice(context=None).jobs) == ["echo"]


def test_two_jobs_of_one_name_are_refused_in_a_class() -> None:
    with pytest.raises(DefinitionError, match=r"Clash has two jobs named 'echo'.*@job\(name='\.\.\.'\)"):

        class Clash(Flowli):  # pyright: ignore[reportUnusedClass]
            one = echo
            two = other("echo")


def test_two_jobs_of_one_name_are_refused_in_a_list_and_beside_a_class() -> None:
    with pytest.raises(DefinitionError, match="Flowli has two jobs named 'echo'"):
        Flowli(context=None, jobs=[echo, other("echo")])
    with pytest.raises(DefinitionError, match="Combined has two jobs named 'echo'"):
        Combined(context=Services(), jobs=[other("echo")])


async def test_a_subclass_may_put_another_job_in_the_place_of_one() -> None:
    async def loud(text: str) -> str:
        return text.upper()

    class Louder(Combined):
        echo = job(name="echo")(loud)

    assert sorted(Louder(context=Services()).jobs) == ["echo", "send"]
    assert await Louder(context=Services()).echo.run("x") == "X"
    assert await Combined(context=Services()).echo.run("x") == "x"


@pytest.mark.parametrize("name", ["jobs", "use", "slot", "inspect", "control"])
def test_a_reserved_name_is_refused_in_the_class_in_a_group_and_in_a_subclass(name: str) -> None:
    message = rf"^Clash\.{name} shadows Flowli\.{name}; pick another attribute name\.$"
    group = type("Group", (), {name: echo})

    for bases, body in (((Flowli,), {name: echo}), ((group, Flowli), {}), ((Combined,), {name: echo})):
        with pytest.raises(DefinitionError, match=message):
            type("Clash", bases, body)


def test_what_is_no_job_is_refused_by_its_type() -> None:
    with pytest.raises(DefinitionError, match="jobs= takes Job objects; got function. Decorate the function with @job"):
        Flowli(context=None, jobs=[echo.handler])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jobs": echo}, "jobs= takes a list, a mapping or a module of jobs; got Job"),
        ({"driver": "redis://localhost"}, "driver= takes a driver, .*; got str"),
        ({"driver": MemoryDriver}, "driver= takes a driver, .*; got the class MemoryDriver"),
        ({"defaults": {"max_attempts": 3}}, "defaults= takes Defaults.*; got dict"),
    ],
)
def test_an_argument_of_another_kind_is_refused_with_what_to_pass(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Flowli(context=None, **given)


def test_a_job_that_takes_a_context_needs_one() -> None:
    with pytest.raises(DefinitionError, match="Job 'send' takes ctx, and Flowli has context=None"):
        Flowli(context=None, jobs=[send])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_job_that_is_not_registered_is_reported_with_those_that_are() -> None:
    with pytest.raises(DefinitionError, match=r"Job 'tick' is not registered on Combined. Known jobs: echo, send\."):
        Combined(context=Services()).use(work.tick)
    with pytest.raises(DefinitionError, match=r"Known jobs: none\."):
        Flowli(context=None).use(work.tick)


def test_another_definition_of_a_registered_name_is_not_that_job() -> None:
    with pytest.raises(DefinitionError, match="Job 'echo' is not registered on Combined"):
        Combined(context=Services()).use(other("echo"))


def test_a_slot_is_the_job_itself() -> None:
    class Slotted(Flowli[Services]):
        send = Flowli[Services].slot(send)

    assert Slotted.send is send
    assert Slotted(context=Services()).send.job is send


def test_the_jobs_of_a_runtime_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        app().jobs["more"] = echo  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


def test_a_repr_names_class_and_driver_and_no_service() -> None:
    assert repr(app(MemoryDriver())) == "<App jobs=8 driver=memory>"
    assert repr(Flowli(context="canary")) == "<Flowli jobs=0 driver=None>"
    assert repr(app().echo) == "<BoundJob 'echo' on App>"


def test_one_job_serves_any_number_of_runtimes() -> None:
    first, second = app(), Combined(context=Services())

    assert first.echo.job is second.echo.job
