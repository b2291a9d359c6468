"""The Django application ``flowli.django``: it registers checks."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["FlowliConfig"]


class FlowliConfig(AppConfig):
    """``INSTALLED_APPS += ["flowli.django"]``."""

    name: str = "flowli.django"
    label: str = "flowli"

    def ready(self) -> None:
        """As Django asks."""
        from flowli.django import checks

        checks.register()
