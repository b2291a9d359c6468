"""RQ: the functions that its worker imports, and what a producer calls."""

from __future__ import annotations

import time

from redis import Redis
from rq import Queue

from benchmarks.ledger import done
from benchmarks.payload import NAP, SETTINGS, URL

queue = Queue(connection=Redis.from_url(URL))
_options = {"result_ttl": 0} if SETTINGS == "tuned" else {}


def send(payload):
    done(payload["id"])


def nap_job(payload):
    time.sleep(NAP)
    done(payload["id"])


def open():
    queue.connection.ping()


def close():
    queue.connection.close()


def one(payload):
    queue.enqueue(send, payload, **_options)


def bulk(payloads):
    queue.enqueue_many([Queue.prepare_data(send, (payload,), **_options) for payload in payloads])


def nap(payload):
    queue.enqueue(nap_job, payload, **_options)
