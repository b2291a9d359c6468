"""An authority of one's own and what it signs, made when a test runs, in a folder of the test's; nothing is kept."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme

__all__ = ["Authority", "Certificate"]


class Certificate(NamedTuple):
    """Paths of a chain and its key, in PEM."""

    chain: Path
    key: Path


class Authority:
    """Signs certificates for servers and clients. ``root`` is the path of its own certificate, in PEM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self._count = 0
        self.root = folder / "root.pem"
        self._ca.cert_pem.write_to_path(self.root)

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """For host names, addresses or e-mail addresses; one that has expired did so yesterday."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        since = datetime.now(UTC) - timedelta(days=30) if expired else None
        made = self._ca.issue_cert(*names, not_before=since, not_after=until)
        self._count += 1
        stem = f"{names[0]}-{self._count}"
        paths = Certificate(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        for blob in made.cert_chain_pems:
            blob.write_to_path(paths.chain, append=True)
        made.private_key_pem.write_to_path(paths.key)
        return paths

    def serve(self, certificate: Certificate, *, ask_clients: bool = False) -> ssl.SSLContext:
        """How a server in this process presents itself; with ``ask_clients`` it wants theirs, signed here too."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.root)
        context.load_cert_chain(certificate.chain, certificate.key)
        if ask_clients:
            context.verify_mode = ssl.CERT_REQUIRED
        return context
