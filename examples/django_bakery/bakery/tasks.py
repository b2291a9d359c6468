"""Tasks as Django has them; Flowli is their backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django

if TYPE_CHECKING or django.VERSION >= (6,):
    from django.tasks import task
else:
    from django_tasks import task


@task(queue_name="mail", priority=50)
def send_mail(to: str, *, text: str) -> str:
    return f"{text} -> {to}"
