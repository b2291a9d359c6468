"""What an author begins with: a driver whose verbs are all still to be written."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["OpensOnly", "Stub"]


class Stub:
    """Nothing is there."""

    @property
    def abilities(self) -> NoReturn:
        raise NotImplementedError

    @property
    def process_local(self) -> NoReturn:
        raise NotImplementedError

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    def twin(self) -> NoReturn:
        raise NotImplementedError

    async def enqueue(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def exchange(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def renew(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def act(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def outcomes(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def get_jobs(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def list_jobs(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def overview(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def announce(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def change_schedules(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def get_schedules(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    async def list_schedules(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError


class OpensOnly(Stub):
    """The door is there, and nothing behind it."""

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""
