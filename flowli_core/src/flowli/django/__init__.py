"""Flowli in Django: ``INSTALLED_APPS += ["flowli.django"]``, and ``FLOWLI = "shop.jobs.flowli"`` names the runtime.

It knows where Django keeps settings, applications and connections, and refuses to know jobs.
"""

from __future__ import annotations

try:
    import django as _django
except ImportError as _missing:
    raise ImportError('flowli.django needs Django: pip install "flowli[django]".') from _missing

from flowli.django.connections import fresh_connections
from flowli.django.runtime import find_jobs, runtime

__all__ = ["find_jobs", "fresh_connections", "runtime"]

del _django
