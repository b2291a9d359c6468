"""``manage.py flowli ...``: Flowli's command line, on the runtime of the settings."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from flowli.__main__ import main

__all__ = ["Command"]


class Command(BaseCommand):
    """``manage.py flowli runner --concurrency 20``: the arguments are those of ``flowli``, without APP."""

    help = "Typed jobs: run what was enqueued, and look after the store. See `manage.py flowli -- --help`."
    requires_system_checks: list[str] | tuple[str, ...] | tuple[()] | Literal["__all__"] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """All of them belong to Flowli."""
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *args: Any, **options: Any) -> None:
        """Name the runtime in the environment, and hand over."""
        del args
        where = getattr(settings, "FLOWLI", None)
        if not isinstance(where, str):
            raise CommandError('FLOWLI has to name the runtime by its path: FLOWLI = "shop.jobs.flowli".')
        module, _, attribute = where.rpartition(".")
        os.environ["FLOWLI_APP"] = f"{module}:{attribute}"
        arguments: list[str] = [one for one in options["arguments"] if one != "--"]
        sys.argv = ["flowli", *arguments]
        main()
