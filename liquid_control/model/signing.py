"""`liquid-control sign`: signs a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import REQUIRED, path, switch, text
from liquid_control.errors import ConfigError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import MODEL, read_model
from liquid_control.model.signature import SIGNATURE, make_key, sign
from liquid_control.system.files import write_atomically
from liquid_control.system.verb import Verb


@dataclasses.dataclass(frozen=True)
class SignSettings:
    """Sign a model directory with an ed25519 key."""

    model: str = text(REQUIRED, "path of a model directory, or the name of an installed model")
    key: Path = path(
        Path(), "private key (PEM file), as `openssl genpkey -algorithm ed25519` writes it"
    )
    new_key: bool = switch(False, "create that key first, and its public key as KEY.pub")


def sign_model(settings: SignSettings) -> dict:
    """Writes model.sig into a model directory that is whole. Raises ModelFileError, ConfigError and
    MissingDependencyError."""
    if settings.key == Path():
        raise ConfigError("--key", "nothing", "a private key (PEM file); --new-key makes one")
    folder = find_model(settings.model)
    read_model(folder)
    facts = {"public_key": str(make_key(settings.key))} if settings.new_key else {}
    place = folder / SIGNATURE
    with write_atomically(place, durable=True) as partial:
        partial.write_text(sign((folder / MODEL).read_bytes(), settings.key), encoding="ascii")
    return {"signature": str(place), **facts}


VERB = Verb(SignSettings, sign_model)
