"""As small as settings can be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SECRET_KEY = "an example has no secrets"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
INSTALLED_APPS = ["flowli.django", "bakery"]
ROOT_URLCONF = "site_of_bakery.urls"
USE_TZ = True
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("BAKERY_DB", str(Path(__file__).parents[1] / "bakery.sqlite3")),
        "CONN_MAX_AGE": 60,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

FLOWLI = "bakery.jobs.flowli"
TASKS = {"default": {"BACKEND": "flowli.django.tasks.FlowliBackend", "QUEUES": ["default", "mail"]}}
