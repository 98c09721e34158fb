"""The file of what was learnt: taken back by the same vehicle, model, release and key, refused with
the reason by any other, and replaced as a whole."""

from __future__ import annotations

import dataclasses
import json

import pytest
from adaptation_rides import VEHICLE

from liquid_control.adaptation.state_file import MadeFor, load, save
from liquid_control.errors import ModelFileError
from liquid_control.model.signature import make_key, sign

MINE = MadeFor(VEHICLE, {"policy.onnx": "a" * 64}, "0.2.0", 0.5)
LEARNT = {"gain": {"gain": 0.76, "counts": [1, 2, 3, 4]}, "output": {"weights": [0.1, -2.5e-17]}}


def test_what_was_written_is_read_to_the_bit_and_replaces_the_file_as_a_whole(tmp_path):
    path = tmp_path / "deeper" / "adaptation.json"
    with pytest.raises(FileNotFoundError):
        load(path, MINE)
    save(path, MINE, {"gain": {}})
    save(path, MINE, LEARNT)
    assert load(path, MINE) == LEARNT
    assert [one.name for one in path.parent.iterdir()] == ["adaptation.json"]
    with pytest.raises(ValueError):
        save(path, MINE, {"gain": {"gain": float("nan")}})
    assert load(path, MINE) == LEARNT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vehicle": dataclasses.replace(VEHICLE, wheelbase=3.4)}, "another vehicle.*3.4"),
        ({"model": {"policy.onnx": "b" * 64}}, "another model"),
        ({"release": "0.3.0"}, "another release.*0.2.0.*0.3.0"),
        ({"gate_angle": 0.4}, "another gate angle"),
    ],
)
def test_the_file_of_another_is_refused_with_the_reason(tmp_path, changes, reason):
    path = tmp_path / "adaptation.json"
    save(path, MINE, LEARNT)
    with pytest.raises(ModelFileError, match=reason):
        load(path, dataclasses.replace(MINE, **changes))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("0.76", "0.77"),
        lambda text: text.replace("0.76", "NaN"),
        lambda text: "[" * 100_000,
        lambda text: "",
        lambda text: "null",
        lambda text: '{"format": 1}',
        lambda text: text.replace("adaptation/1", "adaptation/2"),
        lambda text: "x" * 2**23 + text,
    ],
)
def test_a_damaged_file_is_refused(tmp_path, spoil):
    path = tmp_path / "adaptation.json"
    save(path, MINE, LEARNT)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ModelFileError, match="ignored|larger"):
        load(path, MINE)


def test_with_a_key_only_its_own_signature_counts(tmp_path):
    path, key, other = (tmp_path / name for name in ("adaptation.json", "key", "other"))
    make_key(key), make_key(other)
    save(path, MINE, LEARNT)
    with pytest.raises(ModelFileError, match="not signed"):
        load(path, MINE, str(key))
    save(path, MINE, LEARNT, str(key))
    assert load(path, MINE, str(key)) == load(path, MINE) == LEARNT
    with pytest.raises(ModelFileError, match="another key"):
        load(path, MINE, str(other))
    values = json.loads(path.read_text())
    body = {name: values[name] for name in ("format", "made_for", "learnt")}
    data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    values["signature"] = sign(data, key)  # a model's signature is none of a state
    path.write_text(json.dumps(values))
    with pytest.raises(ModelFileError):
        load(path, MINE, str(key))
    for signature in (3, "words", None, {"signature": 1}):
        path.write_text(json.dumps(values | {"signature": signature}))
        with pytest.raises(ModelFileError):
            load(path, MINE, str(key))
