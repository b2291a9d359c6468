"""How scripts are spelt on the way to a server, by digest or as text; it knows no connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flowli.resp.namespace import Plain, Request, with_questions
from flowli.resp.scripts import Arg

__all__ = ["Speller"]

_Send = Callable[[Sequence[tuple[Arg, ...]]], Awaitable[list[Any]]]


class Speller:
    """Remembers which scripts a server has been sent as text.

    By text when this is the first use since the server may have been another: of two scripts sent together, the second
    must not run while the first is missing.
    """

    def __init__(self) -> None:
        self._sent_as_text: set[str] = set()

    def forget(self) -> None:
        """The next server may not have what the last one had."""
        self._sent_as_text.clear()

    async def send(
        self, requests: Sequence[Request], send: _Send, is_missing_script: Callable[[object], bool]
    ) -> list[Any]:
        """The replies to requests sent together, in order; a script that the server lacks is sent again as text.

        What is no script and stands behind one that was missing is sent again too: it may ask what became of it.
        """
        if not requests:
            return []
        replies = await send([self._spell(request) for request in requests])
        missing = [place for place, reply in enumerate(replies) if is_missing_script(reply)]
        if missing:
            self.forget()
            again = with_questions(requests, missing)
            texts = await send([requests[place].command(by_text=True) for place in again])
            for place, reply in zip(again, texts, strict=True):
                replies[place] = reply
        return replies

    def _spell(self, request: Request) -> tuple[Arg, ...]:
        if isinstance(request, Plain) or request.script.sha in self._sent_as_text:
            return request.command()
        self._sent_as_text.add(request.script.sha)
        return request.command(by_text=True)
