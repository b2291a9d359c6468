"""What every store that speaks RESP shares: keys, scripts, records and the verbs over them; it knows no client."""

from __future__ import annotations

__all__ = ()
