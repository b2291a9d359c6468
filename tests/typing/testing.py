"""The testing kit, as pyright and mypy see it."""

from __future__ import annotations

from typing import assert_type

from flowli import Flowli, job
from flowli_memory.plugin import Rigs
from flowli_memory.testing import ANYTHING, Drained, EnqueuedJob, Rig


@job
async def send(text: str, *, meta: int) -> str:
    return text


class App(Flowli):
    send = send


async def kit(app: App, rig: Rigs) -> None:
    bed = rig(app, context=None, twice=True)
    assert_type(bed, Rig[App])
    assert_type(bed.flowli, App)
    assert_type(await bed.drain(), Drained)
    assert_type(bed.assert_enqueued(send), list[EnqueuedJob[str, int]])
    assert_type(bed.assert_enqueued(app.send, input="x", meta=3, count=1), list[EnqueuedJob[str, int]])
    assert_type(bed.assert_enqueued(app.send, input=ANYTHING), list[EnqueuedJob[str, int]])
    assert_type(bed.enqueued(app.send)[0].input, str)
    bed.assert_enqueued(app.send, input=3)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    bed.assert_enqueued(send, meta="x")  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    bed.assert_enqueued("send")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
