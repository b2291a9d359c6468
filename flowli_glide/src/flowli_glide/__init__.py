"""The Valkey GLIDE driver of Flowli: `GlideDriver`."""

from __future__ import annotations

from flowli_glide.driver import GlideDriver

__all__ = ["GlideDriver"]
