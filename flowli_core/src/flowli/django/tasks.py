"""A backend for ``django.tasks``: ``TASKS = {"default": {"BACKEND": "flowli.django.tasks.FlowliBackend"}}``.

It knows Django's tasks, from Django 6, and before that from the package django-tasks. They are typed loosely, so this
is a bridge: what is typed is a job. A stored path is looked up among the tasks of loaded modules, and never imported.
Priorities above 0 become 1 to 9; those below are as 0.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from math import ceil
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from pydantic import BaseModel

from flowli.attempt import current_attempt
from flowli.bound import BoundJob
from flowli.django.connections import fresh_connections
from flowli.django.runtime import runtime
from flowli.errors import DefinitionError, JobNotFoundError
from flowli.job import job
from flowli.records import JobRecord, State

_WHERE = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_base: Any = import_module(f"{_WHERE}.base")
_backends: Any = import_module(f"{_WHERE}.backends.base")
_exceptions: Any = import_module(f"{_WHERE}.exceptions")
_signals: Any = import_module(f"{_WHERE}.signals")

__all__ = ["FlowliBackend", "TaskCall", "run_task"]

_STATUS = {
    State.SCHEDULED: "READY",
    State.QUEUED: "READY",
    State.ACTIVE: "RUNNING",
    State.COMPLETED: "SUCCESSFUL",
    State.FAILED: "FAILED",
    State.CANCELLED: "FAILED",
}


class TaskCall(BaseModel):
    """What a task was enqueued with."""

    path: str
    backend: str
    args: list[Any]
    kwargs: dict[str, Any]


@job(name="django.task")
async def run_task(call: TaskCall) -> Any:
    """Executes tasks of ``django.tasks``: write ``run_task = run_task`` into the class body of the runtime."""
    task = _task_at(call.path)
    args = list(call.args)
    if task.takes_context:
        record = await current_attempt().use(run_task).handle(current_attempt().job_id or "").record()
        args.insert(0, _base.TaskContext(task_result=_result_of(task, record, call)))
    if inspect.iscoroutinefunction(task.func):
        return await fresh_connections(task.func)(*args, **call.kwargs)
    return await sync_to_async(fresh_connections(task.func), thread_sensitive=False)(*args, **call.kwargs)


def _task_at(path: str) -> Any:
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    if isinstance(found, _base.Task):
        return found
    raise DefinitionError(f"There is no task {path!r} here. Is its module imported by an installed application?")


if TYPE_CHECKING:

    class _Base:
        alias: str

        def validate_task(self, task: Any) -> None: ...
else:
    _Base = _backends.BaseTaskBackend


class FlowliBackend(_Base):
    """Stores tasks in the store of ``settings.FLOWLI``."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """As Django asks; inside a running event loop use ``aenqueue``."""
        self.validate_task(task)
        call, bound, options = self._prepare(task, args, kwargs)
        handle = (
            bound.sync.enqueue(call, **options)
            if task.run_after is None
            else bound.sync.delay(task.run_after, call, **options)
        )
        return self._told(task, handle.record(), call)

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """As Django asks."""
        self.validate_task(task)
        call, bound, options = self._prepare(task, args, kwargs)
        handle = await (
            bound.enqueue(call, **options) if task.run_after is None else bound.delay(task.run_after, call, **options)
        )
        return self._told(task, await handle.record(), call)

    def get_result(self, result_id: str) -> Any:
        """The result as it stands; TaskResultDoesNotExist when nothing is kept of it."""
        try:
            record = self._bound().sync.handle(result_id).record()
        except JobNotFoundError as exc:
            raise _exceptions.TaskResultDoesNotExist(result_id) from exc
        return self._read(record)

    async def aget_result(self, result_id: str) -> Any:
        """The same, awaited."""
        try:
            record = await self._bound().handle(result_id).record()
        except JobNotFoundError as exc:
            raise _exceptions.TaskResultDoesNotExist(result_id) from exc
        return self._read(record)

    def _bound(self) -> BoundJob[TaskCall, None, Any]:
        return runtime().use(run_task)

    def _prepare(self, task: Any, args: Any, kwargs: Any) -> tuple[TaskCall, Any, dict[str, Any]]:
        call = TaskCall(path=task.module_path, backend=self.alias, args=list(args), kwargs=dict(kwargs))
        return call, self._bound(), {"queue": task.queue_name, "priority": max(0, ceil(task.priority * 9 / 100))}

    def _told(self, task: Any, record: JobRecord, call: TaskCall) -> Any:
        result = _result_of(task, record, call)
        _signals.task_enqueued.send(type(self), task_result=result)
        return result

    def _read(self, record: JobRecord) -> Any:
        call = TaskCall.model_validate_json(record.input_json or b"")
        return _result_of(_task_at(call.path), record, call)


def _result_of(task: Any, record: JobRecord, call: TaskCall) -> Any:
    is_over, error = record.state.is_terminal, record.error
    result: Any = _base.TaskResult(
        task=task,
        id=record.id,
        status=_base.TaskResultStatus(_STATUS[record.state]),
        enqueued_at=record.created_at,
        started_at=record.started_at,
        last_attempted_at=record.started_at,
        finished_at=record.finished_at if is_over else None,
        args=call.args,
        kwargs=call.kwargs,
        backend=call.backend,
        errors=[]
        if error is None
        else [_base.TaskError(exception_class_path=error.type, traceback=error.traceback or "")],
        worker_ids=["flowli"] * record.attempts_made,
    )
    if record.state is State.COMPLETED:
        value = run_task.result_adapter.validate_json(record.result_json or b"null")
        object.__setattr__(result, "_return_value", value)
    return result
