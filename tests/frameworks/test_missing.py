"""An integration whose framework is not installed says which line installs it; importing flowli loads none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

_IMPORT = "import sys; sys.modules[{missing!r}] = None; import flowli.{module}"


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("fastapi", "fastapi"),
        ("litestar", "litestar"),
        ("flask", "flask"),
        ("django", "django"),
        ("otel", "opentelemetry"),
        ("prometheus", "prometheus_client"),
        ("sentry", "sentry_sdk"),
    ],
)
def test_a_missing_framework_is_an_import_error_that_names_the_install_line(module: str, missing: str) -> None:
    command = [sys.executable, "-c", _IMPORT.format(missing=missing, module=module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    assert f'pip install "flowli[{module}]"' in done.stderr.splitlines()[-1]


def test_asgi_needs_no_framework() -> None:
    code = "import sys; import flowli.asgi; print({'starlette', 'fastapi', 'litestar'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
