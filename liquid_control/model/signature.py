"""The author of a model: an ed25519 signature of model.json, whose hashes cover the other files.

model.sig names the hash of model.json that was signed and the public key, as canonical JSON: one
changed bit anywhere is refused. It is accepted only for the reader's public key.
Keys are PEM files as `openssl genpkey -algorithm ed25519` writes them.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from liquid_control.errors import MissingDependencyError, ModelFileError
from liquid_control.model.untrusted_file import read_bounded

FORMAT = "liquid_control/signature/1"
SIGNATURE = "model.sig"
LARGEST = 4096
"""Of a signature or key file [bytes]."""
UNKNOWN = "Do not use a model of unknown origin; its author can sign it: liquid-control sign"


def sign(model_json: bytes, key: str | Path) -> str:
    """What belongs into model.sig, signed with a private key in PEM. Raises ModelFileError,
    MissingDependencyError."""
    return _signed(model_json, _load(key, private=True), MODEL)


def sign_text(data: bytes, key: str | Path) -> str:
    """As `sign`, of other data than model.json; the one does not stand for the other."""
    return _signed(data, _load(key, private=True), OTHER)


def verify(directory: Path, model_json: bytes, key: str | Path) -> None:
    """Raises ModelFileError unless model.sig in `directory` signs exactly this model.json with the
    key whose public half `key` (PEM) is."""
    public, path = _load(key, private=False), directory / SIGNATURE
    try:
        text = read_bounded(path, LARGEST).decode("ascii")
    except OSError:
        raise ModelFileError(path, "the model is not signed", UNKNOWN) from None
    except ValueError:
        raise ModelFileError(path, "is no signature", UNKNOWN) from None
    _verify(path, text, model_json, public, MODEL)


def verify_text(path: Path, text: object, data: bytes, key: str | Path) -> None:
    """Raises ModelFileError unless `text` is what `sign_text` gives for this data and this private
    key (PEM). `path`: of the file that holds both."""
    public = _load(key, private=True).public_key()
    if not isinstance(text, str) or not text:
        raise ModelFileError(path, "is not signed", OTHER.remedy)
    _verify(path, text, data, public, OTHER)


class _Purpose(NamedTuple):
    """What a signature is for: its format, the name of the hash, what is signed, and a remedy."""

    format: str
    hash: str
    subject: str
    remedy: str


MODEL = _Purpose(FORMAT, "model_json_sha256", "model.json", UNKNOWN)
OTHER = _Purpose(
    "liquid_control/signature_of_state/1", "sha256", "content", "It is not of this robot's key"
)


def _signed(data: bytes, private, purpose: _Purpose) -> str:
    values = {
        "format": purpose.format,
        purpose.hash: hashlib.sha256(data).hexdigest(),
        "public_key": _raw(private.public_key()).hex(),
    }
    return _text(values | {"signature": private.sign(_message(values, purpose)).hex()})


def _verify(path: Path, text: str, data: bytes, public, purpose: _Purpose) -> None:
    from_library = _library()
    values = {
        "format": purpose.format,
        purpose.hash: hashlib.sha256(data).hexdigest(),
        "public_key": _raw(public).hex(),
    }
    try:
        given = json.loads(text)
        signature = bytes.fromhex(given["signature"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ModelFileError(path, "is no signature", purpose.remedy) from None
    for name, problem in (
        (purpose.hash, f"is of another {purpose.subject}"),
        ("public_key", "was made with another key"),
    ):
        if given.get(name) != values[name]:
            raise ModelFileError(path, problem, purpose.remedy)
    if text != _text(values | {"signature": signature.hex()}):
        raise ModelFileError(path, "is no signature", purpose.remedy)
    try:
        public.verify(signature, _message(values, purpose))
    except from_library.InvalidSignature:
        raise ModelFileError(path, "is not what this key signs", purpose.remedy) from None


def make_key(path: str | Path) -> Path:
    """Writes a new private key, readable by its owner only, and the public key as `path`.pub. Never
    overwrites a file."""
    _library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path, key = Path(path), Ed25519PrivateKey.generate()
    public = path.with_name(path.name + ".pub")
    for place in (path, public):
        if place.exists():
            raise ModelFileError(place, "exists", "A key is never overwritten: give another name")
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    public.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return public


def _message(values: dict[str, str], purpose: _Purpose) -> bytes:
    """What is signed: not the bare hash, so that a signature for another purpose is none for
    this."""
    return f"{purpose.format}\n{values[purpose.hash]}\n".encode()


def _text(values: dict[str, str]) -> str:
    return json.dumps(values, indent=1) + "\n"


def _raw(public) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _library():
    try:
        import cryptography.exceptions
    except ImportError:
        raise MissingDependencyError(
            "cryptography", "Install the security extra: pip install 'liquid_control[security]'"
        ) from None
    return cryptography.exceptions


def _load(path: str | Path, private: bool):
    """An ed25519 key of a PEM file."""
    _library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    path, kind = Path(path), "private" if private else "public"
    remedy = f"Give the PEM file of an ed25519 {kind} key without a password"
    try:
        data = read_bounded(path, LARGEST)
        key = (
            serialization.load_pem_private_key(data, None)
            if private
            else serialization.load_pem_public_key(data)
        )
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error.strerror})", remedy) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ModelFileError(path, f"is no {kind} key", remedy) from None
    if not isinstance(key, Ed25519PrivateKey if private else Ed25519PublicKey):
        raise ModelFileError(path, "is no ed25519 key", remedy)
    return key
