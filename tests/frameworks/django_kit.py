"""Django, set up once for the tests of this process, on a database of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["FOLDER"]

FOLDER = Path(tempfile.mkdtemp(prefix="flowli-bakery-"))
os.environ["DJANGO_SETTINGS_MODULE"] = "site_of_bakery.settings"
os.environ["BAKERY_DB"] = str(FOLDER / "bakery.sqlite3")

import django  # noqa: E402

django.setup()
