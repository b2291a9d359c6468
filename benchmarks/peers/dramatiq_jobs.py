"""Dramatiq: the actors that its command finds, and what a producer calls."""

from __future__ import annotations

import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.ledger import done
from benchmarks.payload import NAP, URL

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor
def send(payload):
    done(payload["id"])


@dramatiq.actor
def nap_job(payload):
    time.sleep(NAP)
    done(payload["id"])


def open():
    broker.client.ping()


def close():
    broker.close()


def one(payload):
    send.send(payload)


def nap(payload):
    nap_job.send(payload)
