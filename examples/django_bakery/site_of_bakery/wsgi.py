"""For gunicorn: `gunicorn site_of_bakery.wsgi`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_bakery.settings")
application = get_wsgi_application()
