"""Celery: the application that its command finds, and what a producer calls."""

from __future__ import annotations

import time

from celery import Celery

from benchmarks.ledger import done
from benchmarks.payload import NAP, SETTINGS, URL

if SETTINGS == "tuned":
    app = Celery("bench", broker=URL)
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, worker_disable_rate_limits=True)
else:
    app = Celery("bench", broker=URL, backend=URL)


@app.task(name="send")
def send(payload):
    done(payload["id"])


@app.task(name="nap")
def nap_job(payload):
    time.sleep(NAP)
    done(payload["id"])


def open():
    app.connection_for_write().ensure_connection(max_retries=3)


def close():
    app.close()


def one(payload):
    send.delay(payload)


def nap(payload):
    nap_job.delay(payload)
