"""What may be wrong with a namespace, as an operator reads it; it knows no key and how nothing is found."""

from __future__ import annotations

from collections.abc import Mapping

from flowli.driver.examination import Severity

__all__ = ["FAULTS"]

_E, _W = Severity.ERROR, Severity.WARNING

FAULTS: Mapping[str, tuple[Severity, str]] = {
    "record-damaged": (_E, "its record cannot be read: delete the job, or use the version that wrote it"),
    "state-damaged": (_E, "its state cannot be read: delete the job, or use the version that wrote it"),
    "unknown-queue": (_E, "its queue {about!r} is not among the known ones: enqueue any job to that queue"),
    "unreachable": (_E, "it waits in queue {about!r} and stands in none of its indexes: it is never run"),
    "several-places": (_E, "it stands in more than one index of queue {about!r}: it may run twice, or after its end"),
    "no-deadline": (_E, "it is active in queue {about!r} without a deadline: nobody takes it over after a crash"),
    "no-token": (_E, "queue {about!r} has a deadline for it and no token: it is not leased, and will be handed back"),
    "no-expiry": (_E, "it is over, and no index of queue {about!r} says when to remove it: it stays for ever"),
    "other-expiry": (_W, "its state and the index of queue {about!r} say two instants for its removal"),
    "not-swept": (_W, "it expired over an hour ago and is still kept: no runner serves queue {about!r}"),
    "token-above-fence": (_W, "its token is above the fence, which an operator or a failover has set back"),
    "line-orphan": (_W, "it stands in the line of queue {about!r} and has no record: claims skip it, counts do not"),
    "line-and-elsewhere": (_E, "it stands in the line of queue {about!r} and elsewhere: it may run twice"),
    "line-of-another": (_E, "the line of queue {about!r} has it with another queue or instant than its record"),
    "ghost-missing": (_E, "queue {about!r} awaits a stale element of it that is not there: its next job may be lost"),
    "ghost-sum": (_W, "the number of stale elements in its line is wrong: counts are off, and idle runners wake late"),
    "orphan": (_E, "it is in {about} and has nothing behind it: remove it from there"),
    "never-due": (_E, "it waits for steps before it, and none of them is counted: enqueue its chain again"),
    "never-woken": (
        _E,
        "it waits under a limit in queue {about!r}, and no limit knows of it: cancel it, enqueue it again",
    ),
    "limit-drift": (_E, "this place of a limit lends more or less than its holders draw on: set it right by hand"),
    "schedule-instant": (_E, "the instant at which it is fired is not the one that it says: put the schedule again"),
    "unique-leaked": (_E, "this unique key is held and the job that holds it is over: jobs under it are not made"),
    "key-type": (_E, "it is {about}: another program writes below this prefix; move one of the two"),
    "key-unknown": (_W, "no version of Flowli that reads this layout writes it: remove it if nobody knows it"),
    "key-without-expiry": (_W, "it should expire and does not: give it ten minutes with EXPIRE"),
}
"""Severity and message of each code. ``{about}`` is the queue or the key that it was found in."""
