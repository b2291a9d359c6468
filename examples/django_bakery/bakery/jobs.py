"""The jobs of the bakery, and its runtime."""

from __future__ import annotations

import os

from flowli import Flowli, job
from flowli.django import fresh_connections
from flowli.django.tasks import run_task
from flowli_redis import RedisDriver


@job
@fresh_connections
def confirm(number: str) -> str:
    from bakery.models import Order

    Order.objects.filter(number=number).update(confirmed=True)
    return f"{number} is confirmed"


@job
@fresh_connections
async def count(dummy: str = "") -> int:
    from bakery.models import Order

    return await Order.objects.acount()


class Bakery(Flowli):
    confirm = confirm
    count = count
    run_task = run_task


flowli = Bakery(
    context=None, driver=RedisDriver(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), prefix="bakery")
)
