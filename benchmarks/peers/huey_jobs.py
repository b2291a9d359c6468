"""Huey: the instance that its consumer finds, and what a producer calls."""

from __future__ import annotations

import time

from huey import RedisHuey

from benchmarks.ledger import done
from benchmarks.payload import NAP, SETTINGS, URL

huey = RedisHuey("bench", url=f"{URL}?max_connections=1000", results=SETTINGS != "tuned")


@huey.task()
def send(payload):
    done(payload["id"])


@huey.task()
def nap_job(payload):
    time.sleep(NAP)
    done(payload["id"])


def open():
    huey.pending_count()


def close():
    pass


def one(payload):
    send(payload)


def nap(payload):
    nap_job(payload)
