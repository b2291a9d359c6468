"""The groups of tests, one module each. Nothing is exported here: `flowli_conformance` names what authors inherit."""

from __future__ import annotations

__all__ = ()
