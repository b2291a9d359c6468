"""What has to confirm a write before its caller hears of it: levels, how they are asked for, and what an answer lacks.

It knows WAIT and WAITAOF, and no job and no connection. Both count what their own connection wrote. A repeat that finds
its jobs stored writes nothing, and would hear of replicas that never saw the first try: so something is always written
in front of them. What is behind it in the one stream of replication is confirmed with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from flowli.driver import Enqueued, Millis
from flowli.durations import parse_span, to_millis
from flowli.errors import DefinitionError, DriverError, NotDurable
from flowli.resp.keys import Keys
from flowli.resp.namespace import Plain, Request
from flowli.resp.scripts import script

__all__ = ["Confirmation", "Durability"]

Durability: TypeAlias = Literal["server", "fsync", "replica", "replica_fsync"]
"""Who has a job when `enqueue` returns: the server's memory; its disk; so many replicas' memory; or disks of all."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a driver waits for behind each write that its callers are to rely on."""

    level: Durability
    replicas: int
    """How many of them; 0 where the level asks none."""
    within: Millis
    """How long they have."""

    @classmethod
    def of(cls, level: Durability, replicas: int, within: str | timedelta) -> Confirmation | None:
        """None for "server". DefinitionError for another level, less than one replica, or no time at all."""
        if level not in get_args(Durability):
            message = f"durability={level!r} is not known: it is one of {', '.join(map(repr, get_args(Durability)))}."
            raise DefinitionError(message)
        if replicas < 1:
            message = f"replicas={replicas} is not a number of replicas to wait for; durability='fsync' waits for none."
            raise DefinitionError(message)
        span = to_millis(parse_span(within, what="confirm_within"))
        if span < 1:
            raise DefinitionError("confirm_within is no time at all: nothing can be confirmed within it.")
        if level == "server":
            return None
        return cls(level, replicas if level.startswith("replica") else 0, span)

    @property
    def seconds(self) -> float:
        """How long the last of `requests` may take."""
        return self.within / 1000

    @property
    def probe(self) -> Request:
        """Refused by a server that could never confirm; it asks no replica."""
        return self._ask(0, Millis(1))

    def _ask(self, replicas: int, within: Millis) -> Request:
        return Plain(("WAIT", replicas, within) if self.level == "replica" else ("WAITAOF", 1, replicas, within))

    def requests(self, keys: Keys) -> Sequence[Request]:
        """What is sent behind a write, on the connection that wrote; the last of them blocks until it is confirmed."""
        return script("mark").call(keys, [], [0, 0]), self._ask(self.replicas, self.within)

    def impossible(self, facts: Mapping[str, str], where: str) -> DriverError:
        """The error for a server that refused the `probe`; ``facts`` is what it says of itself (INFO), if anything."""
        version = facts.get("redis_version", "")
        if self.level == "replica":
            why = "a server that answers WAIT, and a user who may send it (+wait)"
        elif facts.get("aof_enabled") == "0":
            why = "appendonly yes, and the server has appendonly no: set it, or choose 'replica' or 'server'"
        elif re.match(r"[1-6]\.|7\.[01]\.", version):
            why = f"WAITAOF, which this version ({version}) has not: use Redis 7.2 or newer, or Valkey, or 'replica'"
        else:
            why = "Redis 7.2 or newer, or Valkey, with appendonly yes, and a user who may send WAITAOF (+waitaof)"
        return DriverError(f"{where} cannot confirm durability={self.level!r}: that needs {why}.")

    def lacks(self, reply: Any) -> str:
        """What is missing from the reply to the last of `requests`, for people; nothing if all have confirmed."""
        disks, replicas = (1, int(reply)) if self.level == "replica" else map(int, reply)
        missing = [] if disks else ["the server's own disk"]
        if replicas < self.replicas:
            missing.append(f"{self.replicas - replicas} of {self.replicas} replica(s)")
        return " and ".join(missing)

    def refuse(self, lack: str, outcomes: Sequence[Enqueued]) -> NotDurable:
        """The error for a call of which ``lack`` is missing."""
        message = (
            f"What was sent is written, but {lack} did not confirm it within {self.seconds:g}s "
            f"(durability={self.level!r}). Repeat the call with the same ids (.job_ids): that waits again and never "
            "makes a second job. Where it stays like this, look at the replicas and at appendonly and appendfsync."
        )
        return NotDurable(message, outcomes=outcomes)
