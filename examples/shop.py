"""The jobs of a small web shop. They know no driver, no queue and no runner: `demo.py` and tests bring those."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from flowli import Backoff, Flowli, current_attempt, job


class Line(BaseModel):
    sku: str
    quantity: int = Field(gt=0)
    cents: int


class Order(BaseModel):
    number: int
    customer: str
    lines: list[Line]


class Price(BaseModel):
    net: int
    shipping: int

    @property
    def total(self) -> int:
        return self.net + self.shipping


class Request(BaseModel):
    """Where a call came from: the meta of every job that a customer causes."""

    request_id: str


class CardDeclined(Exception):
    pass


@dataclass
class Services:
    """What the handlers use: a real shop has a database, a payment provider and a mailer here."""

    fulfilled: list[int] = field(default_factory=list[int])
    mails: list[str] = field(default_factory=list[str])
    charged_at: list[float] = field(default_factory=list[float])


@job
async def price_order(order: Order) -> Price:
    net = sum(line.quantity * line.cents for line in order.lines)
    return Price(net=net, shipping=0 if net >= 5_000 else 490)


@job(tags=("orders",))
async def fulfil_order(order: Order, *, ctx: Services, meta: Request) -> int:
    await asyncio.sleep(0.001)  # the warehouse's API
    ctx.fulfilled.append(order.number)
    return order.number


@job
async def remind_to_review(order: Order, *, ctx: Services) -> str:
    ctx.mails.append(f"{order.customer}: how was order {order.number}?")
    return ctx.mails[-1]


@job
def close_the_till(*, ctx: Services) -> int:  # a plain def: it runs in a thread
    return len(ctx.fulfilled)


@job(max_attempts=3, backoff=Backoff(delay="200ms", max_delay="2s", jitter=False), timeout="5s")
async def charge_card(order: Order, *, ctx: Services) -> None:
    ctx.charged_at.append(time.monotonic())
    raise CardDeclined(f"the bank says no to order {order.number}")


@job
async def print_label(order: Order) -> str:
    attempt = current_attempt()
    if attempt.number == 1:
        await asyncio.sleep(600)  # a printer that jams: the demo kills this runner in the middle of it
    return f"label of order {order.number}, printed in attempt {attempt.number}"


class Shop(Flowli[Services]):
    price_order = price_order
    fulfil_order = fulfil_order
    remind_to_review = remind_to_review
    close_the_till = close_the_till
    charge_card = charge_card
    print_label = print_label


def from_environment() -> Shop:
    """What `flowli runner shop:from_environment` serves."""
    from flowli_redis import RedisDriver

    return Shop(context=Services(), driver=RedisDriver(os.environ["SHOP_STORE"], prefix="shop"))
