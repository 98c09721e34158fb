"""Signed models: one changed bit in any file, another key or no signature, and the model is
refused."""

from __future__ import annotations

import json
import random
import shutil
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.signing import SignSettings, sign_model

FLIPS = 1000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A signed copy of the shipped model; the private and the public key."""
    folder = tmp_path_factory.mktemp("signed")
    model = shutil.copytree(find_model("lane_keeper"), folder / "model")
    facts = sign_model(SignSettings(str(model), folder / "key.pem", new_key=True))
    return model, folder / "key.pem", facts["public_key"]


@pytest.fixture
def signed(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "model"), made[1], made[2]


def test_a_signed_model_is_read_by_who_asks_for_it_and_by_who_does_not(signed):
    model, key, public = signed
    assert read_model(model, public) == read_model(model)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "policy.onnx", "model.sig"])
def test_every_flipped_bit_is_refused(signed, name):
    model, _, public = signed
    path, rng = model / name, random.Random(name)
    whole = path.read_bytes()
    for _ in range(FLIPS):
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        with pytest.raises(ModelFileError):
            read_model(model, public)
    path.write_bytes(whole)
    read_model(model, public)


def test_a_changed_model_with_hashes_that_agree_is_refused_too(signed):
    """An attacker who can write the files can write their hashes; only the signature detects it."""
    model, _, public = signed
    values = json.loads((model / "model.json").read_text())
    values["policy"]["curvature_scale"] *= 2
    (model / "model.json").write_text(json.dumps(values))
    assert read_model(model).spec.actions[0].scale == values["policy"]["curvature_scale"]
    with pytest.raises(ModelFileError, match="is of another model.json"):
        read_model(model, public)


def test_another_key_and_no_signature_are_distinguished(signed, tmp_path):
    model, _, public = signed
    other = sign_model(SignSettings(str(model), tmp_path / "other.pem", new_key=True))["public_key"]
    with pytest.raises(ModelFileError, match="made with another key"):
        read_model(model, public)
    read_model(model, other)
    (model / "model.sig").unlink()
    with pytest.raises(ModelFileError, match="not signed"):
        read_model(model, other)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "{" * 3000, '{"signature": 1}', '{"signature": "zz"}', "x" * 5000],
)
def test_what_is_no_signature_is_refused_by_name(signed, text):
    (signed[0] / "model.sig").write_text(text)
    with pytest.raises(ModelFileError, match="model.sig"):
        read_model(signed[0], signed[2])


def test_keys_that_will_not_do_are_refused_by_name(signed, tmp_path):
    model, key, public = signed
    rsa = generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "rsa.pem").write_bytes(rsa)
    for wrong, words in (
        (tmp_path / "rsa.pem", "no ed25519 key"),
        (public, "no private key"),
        (tmp_path / "none", "cannot be read"),
    ):
        with pytest.raises(ModelFileError, match=words):
            sign_model(SignSettings(str(model), wrong))
    with pytest.raises(ModelFileError, match="no public key"):
        read_model(model, key)
    with pytest.raises(ModelFileError, match="never overwritten"):
        sign_model(SignSettings(str(model), key, new_key=True))
    with pytest.raises(ConfigError, match="--key"):
        sign_model(SignSettings(str(model)))


def test_a_model_that_is_not_whole_is_not_signed(signed):
    (signed[0] / "policy.onnx").write_bytes(b"")
    with pytest.raises(ModelFileError, match="does not match its hash"):
        sign_model(SignSettings(str(signed[0]), signed[1]))
