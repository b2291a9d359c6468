"""The application; its tasks are there wherever Django is."""

from __future__ import annotations

from django.apps import AppConfig


class BakeryConfig(AppConfig):
    name = "bakery"

    def ready(self) -> None:
        from bakery import tasks

        del tasks
