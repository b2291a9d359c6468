"""A request, a job, a follow-up; a secret in every payload."""

from __future__ import annotations

from pydantic import BaseModel

from flowli import Backoff, Flowli, Snooze, current_attempt, job

SECRET = "canary-7f3a"


class Note(BaseModel):
    text: str = SECRET


@job
async def follow(note: Note) -> str:
    return note.text


@job
def lead(note: Note) -> str:
    return current_attempt().use(follow).sync.enqueue(note, id="follow-1").id


@job(max_attempts=2, backoff=Backoff(delay="1m"))
async def fails(note: Note) -> None:
    raise LookupError(note.text)


@job
async def sleeps(note: Note) -> None:
    if current_attempt().number == 1:
        raise Snooze("1m")


class App(Flowli):
    lead = lead
    follow = follow
    fails = fails
    sleeps = sleeps
