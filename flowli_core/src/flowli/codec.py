"""What may be done to payloads on their way to the store and back: signing, encryption, compression.

It knows bytes and what they are bound to. It refuses to know where they are kept; `flowli.sealed` applies it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from flowli.errors import DefinitionError

__all__ = ["Binding", "HmacCodec", "PayloadCodec", "PayloadRefused"]

_MARK = b"\x01h1"
"""No JSON begins so: what is signed and what is not cannot be mistaken for each other."""
_DIGEST = hashlib.sha256
_LEAST_KEY = 32


class Binding(NamedTuple):
    """What a payload belongs to. A codec that authenticates includes it, so that nobody can move a payload."""

    kind: str
    """``body``, ``result`` or ``schedule``."""
    job: str
    """The name of the job."""
    id: str
    """Of the record; of a schedule its key."""
    format: str
    """The version of the encoding below the codec."""

    def to_bytes(self) -> bytes:
        """The fields, each behind its length: no two bindings have the same bytes."""
        parts = [field.encode() for field in self]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class PayloadRefused(Exception):
    """A payload that was changed, moved, or made with a key that is not known here. The text holds none of it."""


class PayloadCodec(Protocol):
    """Turns payloads into what is stored, and back. It is called on event loops: it must not block.

    ``Flowli(codec=...)`` takes one. All runtimes of a store need one that reads what the others write.
    """

    def encode(self, data: bytes, binding: Binding) -> bytes:
        """What is stored in place of ``data``."""
        ...

    def decode(self, data: bytes, binding: Binding) -> bytes:
        """What `encode` was given for this binding. PayloadRefused, or any exception, for anything else: a job with
        such a body is parked as unreadable, and fails after its ``unknown_ttl``."""
        ...


class HmacCodec:
    """Signs payloads with HMAC-SHA-256: who can write to the store, but has no key, cannot make a job run.

    ``keys`` maps ids of keys to keys of at least 32 bytes, from a file or the environment; ``sign_with`` names the one
    for what is written, and each may have signed what is read. To change keys: add the new one everywhere, then sign
    with it, and remove the old one when nothing signed with it is stored any more. ``accept_unsigned=True`` reads what
    was stored before there was a codec; leave it out as soon as that is gone.
    """

    def __init__(self, keys: Mapping[str, bytes], *, sign_with: str, accept_unsigned: bool = False) -> None:
        for key_id, key in keys.items():
            if not 0 < len(key_id.encode()) < 256:
                raise DefinitionError("The id of a key of HmacCodec has 1 to 255 bytes.")
            if len(key) < _LEAST_KEY:
                raise DefinitionError(f"A key of HmacCodec has at least {_LEAST_KEY} bytes: secrets.token_bytes(32).")
        if sign_with not in keys:
            raise DefinitionError("sign_with= of HmacCodec names one of its keys.")
        self._keys = {key_id.encode(): bytes(key) for key_id, key in keys.items()}
        self._signer = sign_with.encode()
        self._accept_unsigned = accept_unsigned

    def encode(self, data: bytes, binding: Binding) -> bytes:
        """A mark, the id of the key, the signature, and the data as it is."""
        signature = self._sign(self._signer, data, binding)
        return b"%b%c%b%b%b" % (_MARK, len(self._signer), self._signer, signature, data)

    def decode(self, data: bytes, binding: Binding) -> bytes:
        """The data, if one of the keys signed it for this binding; otherwise PayloadRefused. Takes the same time
        wherever a signature is wrong."""
        if not data.startswith(_MARK):
            if self._accept_unsigned and data[:1] != _MARK[:1]:
                return data
            raise PayloadRefused("it is not signed")
        begin = len(_MARK) + 1 + data[len(_MARK)] if len(data) > len(_MARK) else len(data)
        key_id, end = data[len(_MARK) + 1 : begin], begin + _DIGEST().digest_size
        if key_id not in self._keys:
            raise PayloadRefused("it is signed with a key that is not known here")
        payload = data[end:]
        if not hmac.compare_digest(data[begin:end], self._sign(key_id, payload, binding)):
            raise PayloadRefused("its signature is wrong")
        return payload

    def _sign(self, key_id: bytes, data: bytes, binding: Binding) -> bytes:
        return hmac.digest(self._keys[key_id], binding.to_bytes() + data, _DIGEST)

    def __repr__(self) -> str:
        return f"<HmacCodec keys={len(self._keys)}>"
