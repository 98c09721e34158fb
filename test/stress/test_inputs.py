"""Hostile inputs: each gives a value or its own class of error, and what fuzzing found stays
found."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from liquid_control.cli.main import main
from liquid_control.cli.verbs import settings_by_words
from liquid_control.config import GateConfig, from_mapping
from liquid_control.errors import ConfigError, ImageError, ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.perception.pictures import image_from_compressed
from liquid_control.recordings.rosbag.topics import load_map
from liquid_control.stress import cases
from liquid_control.stress.cases import run_cases
from liquid_control.stress.corruption import corrupted
from liquid_control.stress.soak import inputs
from liquid_control.stress.soak.command_cases import CommandLineMaker
from liquid_control.stress.soak.inputs import InputSoakSettings, soak_inputs
from liquid_control.stress.yaml_cases import LAUGHS
from liquid_control.system.verb import EntryPoint


@pytest.fixture
def however_slow(monkeypatch):
    """How long a case takes is measured by `soak inputs`; a test finds only what does not end."""
    monkeypatch.setattr(cases, "SLOW", cases.TIMEOUT)


@pytest.mark.usefixtures("however_slow")
@pytest.mark.parametrize("name", inputs.MAKERS)
def test_hostile_inputs_are_read_or_refused_by_name(name):
    """A thousand of each; a hundred thousand in `make soak`. Parameter files are in test/ros."""
    answer = run_cases((name, inputs.MAKERS[name], 7, 0, 1000))
    assert answer["wrong"] == [] and len(answer["endings"]) >= 2, answer
    assert answer["grown_bytes"] is None or answer["grown_bytes"] < 500e6


@pytest.mark.usefixtures("however_slow")
def test_hostile_command_lines_end_with_a_code_and_words():
    answer = run_cases(
        ("command_line", CommandLineMaker(EntryPoint(main, settings_by_words)), 7, 0, 1000)
    )
    assert answer["wrong"] == [] and answer["endings"].keys() >= {"code 0", "code 2"}, answer


def fragile(folder):
    return lambda rng: "fine" if rng.random() < 0.9 else {}["missing"]


def test_what_goes_wrong_is_counted_with_its_case(monkeypatch):
    facts = soak_inputs(
        InputSoakSettings(cases=100, only=("parameter_file",), workers=1),
        {"parameter_file": fragile},
    )
    assert facts["wrong"] == facts["kinds"]["parameter_file"]["endings"]["raised KeyError"] > 0
    assert "parameter_file, seed 0, case" in facts["kinds"]["parameter_file"]["first_wrong"][0]
    assert facts["not_fed"] == ["command_line"]
    with pytest.raises(ConfigError, match="only"):
        InputSoakSettings(only=("pictures",))
    with pytest.raises(ConfigError, match="parameter files need ROS 2"):
        soak_inputs(InputSoakSettings(cases=100, only=("parameter_file",)))


def test_a_case_that_does_not_end_is_ended_and_wrong(monkeypatch):
    monkeypatch.setattr(cases, "SLOW", 0.2)
    monkeypatch.setattr(cases, "TIMEOUT", 0.4)

    def hang(rng):
        while True:
            try:
                time.sleep(60)
            except Exception:  # noqa: BLE001  what is tested may swallow everything
                continue

    wrong = run_cases(("waits", lambda folder: hang, 0, 0, 1))["wrong"]
    assert "raised Hang: no end within 0.4 s" in wrong[0] and "took" in wrong[1], wrong
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


HUNGER = """
import json, resource
from liquid_control.stress.cases import run_cases
ways = {"eats": lambda rng: str(len(b"x" * 2**29)), "bursts": lambda rng: str(len(b"x" * 2**36))}
before = resource.getrlimit(resource.RLIMIT_DATA)
wrong = {
    name: run_cases((name, lambda folder, name=name: ways[name], 0, 0, 1))["wrong"]
    for name in ways
}
print(json.dumps([wrong, resource.getrlimit(resource.RLIMIT_DATA) == before]))
"""


def test_a_case_that_takes_much_memory_is_wrong_and_cannot_take_all():
    """In a separate process, as `soak inputs` works: this one's largest size is what other tests
    once needed."""
    wrong, restored = json.loads(
        subprocess.run(
            [sys.executable, "-c", HUNGER], capture_output=True, text=True, check=True
        ).stdout
    )
    assert any(problem.endswith(" MB") for problem in wrong["eats"]), (
        wrong
    )  # a loaded machine may find it slow, too
    assert "bursts, seed 0, case 0: raised MemoryError: " in wrong["bursts"], wrong
    assert restored


@pytest.mark.parametrize(
    "text, words",
    [
        ("camera: !!int ''", "plain YAML"),
        ("camera: !!bool x", "plain YAML"),
        ("camera: !!timestamp x", "plain YAML"),
        ("[" * 20_000, "plain YAML"),
        ("a: " + "x" * 2**16, "at most 65536 bytes"),
        ("camera: 0x" + "f" * 5000, "too many digits"),
        (LAUGHS, "got"),
    ],
)
def test_yaml_that_gets_past_its_reader_is_refused_briefly(tmp_path, text, words):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_map(tmp_path / "map.yaml")
    assert len(str(caught.value)) < 2000


def test_corruption_changes_bytes_and_is_reproducible():
    data = bytes(range(256))
    assert all(
        corrupted(random.Random(seed), data) == corrupted(random.Random(seed), data)
        for seed in range(50)
    )
    assert sum(corrupted(random.Random(seed), data) != data for seed in range(200)) > 190


@pytest.fixture
def model(tmp_path):
    return shutil.copytree(find_model("lane_keeper"), tmp_path / "model")


def test_a_wiring_of_more_neurons_than_memory_is_refused_before_it_is_built(model):
    for inter in (2**31, 2**63, 10**400):
        values = json.loads((find_model("lane_keeper") / "model.json").read_text())
        values["wiring"]["inter"] = inter
        (model / "model.json").write_text(json.dumps(values))
        with pytest.raises(ModelFileError, match="does not have the sizes of its policy"):
            read_model(model)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[" * 100_000, "is not JSON"),
        ('{"a":' * 100_000, "is not JSON"),
        (" " * 2**26 + "{}", "is larger"),
    ],
)
def test_json_that_is_too_deep_or_too_large_is_refused(model, text, words):
    (model / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match=words):
        read_model(model)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(model):
    for name in ("policy.onnx", "model.json"):
        (model / name).unlink()
        os.mkfifo(model / name)
        with pytest.raises(ModelFileError, match="is not a file"):
            read_model(model)


def png(*chunks: tuple[bytes, int]) -> SimpleNamespace:
    """A picture of 4x4 whose chunks claim other lengths."""
    data = bytearray(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    for name, value in chunks:
        at = data.index(name) - 4
        data[at : at + 4] = struct.pack(">I", value)
    return SimpleNamespace(format="png", data=bytes(data))


def test_a_chunk_that_claims_gigabytes_costs_nothing():
    assert image_from_compressed(png()).shape == (4, 4, 3)
    for length in (2**20, 2**31 - 1, 2**32 - 1):
        with pytest.raises(ImageError, match="chunk longer"):
            image_from_compressed(png((b"IDAT", length)))
        with pytest.raises(ImageError, match="chunk longer"):
            image_from_compressed(png((b"IEND", length)))


@pytest.mark.parametrize(
    "ending, options",
    [
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
        (".png", [cv2.IMWRITE_PNG_BILEVEL, 1]),
    ],
)
def test_the_emptiest_picture_is_read_and_a_larger_claim_is_not(ending, options):
    whole = cv2.imencode(ending, np.zeros((2048, 2048), np.uint8), options)[1].tobytes()
    assert image_from_compressed(SimpleNamespace(format="", data=whole)).shape == (2048, 2048, 3)
    few = bytearray(cv2.imencode(ending, np.zeros((8, 8), np.uint8), options)[1].tobytes())
    at = few.index(b"IHDR") + 4 if ending == ".png" else few.index(b"\xff\xc2") + 5
    few[at : at + (8 if ending == ".png" else 4)] = struct.pack(
        ">II" if ending == ".png" else ">HH", 8000, 8000
    )
    with pytest.raises(ImageError, match="size"):
        image_from_compressed(SimpleNamespace(format="", data=bytes(few)))


def test_numbers_too_large_for_a_float_and_synapses_to_infinity_are_refused(model):
    with pytest.raises(ConfigError, match="max_speed"):
        from_mapping(GateConfig, {"max_speed": 10**400})
    values = json.loads((model / "model.json").read_text())
    values["wiring"]["synapses"][0][0] = float("inf")
    (model / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="NcpWiring.synapses"):
        read_model(model)
