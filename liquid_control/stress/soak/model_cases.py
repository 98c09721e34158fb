"""Hostile model directories and configurations: damaged bytes, values of other types and sizes,
with hashes made to agree."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import random
import shutil
from pathlib import Path

from liquid_control.config import (
    GateConfig,
    PreprocessConfig,
    TimelineConfig,
    VehicleConfig,
    WorldConfig,
    from_mapping,
)
from liquid_control.control.engagement import EngagementConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.artefacts import ONNX, WEIGHTS
from liquid_control.model.car import MEASUREMENTS
from liquid_control.model.cores import CORES, core_from_dict
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import FORMAT, MODEL, read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.recordings.settings import TopicMap
from liquid_control.stress.corruption import corrupted

CONFIGS = (
    GateConfig,
    PolicyConfig,
    PreprocessConfig,
    TimelineConfig,
    VehicleConfig,
    WorldConfig,
    EngagementConfig,
    TopicMap,
)
SIZES = (1, 8, 64, 512, 1024, 4096)
"""Drawn for fields that the weights do not fit."""
VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63,
    -(2**64),
    10**400,
    0.5,
    1e308,
    -1e308,
    1e-320,
    float("nan"),
    float("inf"),
    "",
    "1",
    "hold",
    "ltc",
    "x" * 1000,
    [],
    [1],
    [[0, 0, 0]],
    [[float("inf"), 1, 1]],
    {},
    {"a": 1},
    {"sha256": ""},
)


def configuration(rng: random.Random) -> str:
    """Some fields of any configuration set to any value, unknown names and other structures among
    them."""
    kind = rng.choice(CONFIGS)
    names = [*kind.__dataclass_fields__, "", "unknown", "__init__", 3, None]
    values: object = {rng.choice(names): rng.choice(VALUES) for _ in range(rng.randrange(5))}
    try:
        from_mapping(kind, values if rng.random() < 0.95 else rng.choice(VALUES))
    except ConfigError:
        return "ConfigError"
    return "configuration"


class ModelCopy:
    """The shipped model in `folder`, corrupted anew for each case."""

    def __init__(self, folder: Path) -> None:
        source = find_model("lane_keeper")
        self.folder, self.whole = (
            folder,
            {name: (source / name).read_bytes() for name in (MODEL, WEIGHTS, ONNX)},
        )
        for name in (WEIGHTS, ONNX):
            shutil.copyfile(source / name, folder / name)
        self.model_jsons = (self.whole[MODEL], _in_this_format(self.whole[MODEL], source))
        _load_network(source), OnnxRuntime.load(source)  # imports what they need

    def model_json(self, rng: random.Random) -> str:
        """model.json with damaged bytes, with values exchanged anywhere in its tree, or with sizes
        that are not true."""
        if rng.random() < 0.1:
            return self._claims(rng)
        sound = rng.choice(self.model_jsons)
        if rng.random() < 0.5:
            data = corrupted(rng, sound)
        else:
            values = json.loads(sound)
            for _ in range(rng.choice((1, 1, 2))):
                _exchange(rng, values)
            data = json.dumps(values).encode()
        if rng.random() < 0.01:
            data = rng.choice((b"[", b'{"a":', b"1e", b"-")) * rng.choice((10, 100_000))
        (self.folder / MODEL).write_bytes(data)
        return _ending(read_model, self.folder)

    def _claims(self, rng: random.Random) -> str:
        """Sizes within the bounds of each field that the weights do not have: refused before
        memory is allocated for them."""
        values = json.loads(self.model_jsons[1])
        core = dataclasses.asdict(CORES[rng.choice(list(CORES))]())
        policy = values["policy"] = values["policy"] | {"core": core}
        wiring = core.get("wiring", {})
        places = [(policy, "image_features"), (wiring, "inter"), (wiring, "command")]
        places += [(core, name) for name in ("units", "backbone", "stack", "unfolds")]
        for _ in range(rng.choice((0, 1, 3))):
            group, name = rng.choice(places)
            if name in group:
                group[name] = rng.choice(SIZES)
        values["spec"]["image"] |= {
            rng.choice(("height", "width")): rng.choice((8, 78, 1024))
            for _ in range(rng.randrange(3))
        }
        if not wiring:
            values["wiring"] = None
        elif any(name in group and group[name] in SIZES for group, name in places[:3]):
            inputs = policy["image_features"] + len(MEASUREMENTS)
            inter, command = wiring["inter"], wiring["command"]
            values["wiring"] = NcpWiring(
                inputs, inter, command, 1, ((0, 1 + command, 1),), ((1 + command, 1, 1), (1, 0, 1))
            ).to_dict()
        size = policy["image_features"] + len(MEASUREMENTS)
        with contextlib.suppress(ConfigError):  # a size out of the core's bounds: refused by name
            state = core_from_dict(core).state(size, len(values["spec"]["actions"]))
            values["spec"]["state"] = [one._asdict() for one in state]
        (self.folder / MODEL).write_text(json.dumps(values))
        return _ending(_load_network, self.folder)

    def weights(self, rng: random.Random) -> str:
        """Damaged weights whose hash agrees, half of them damaged in the header."""
        whole = self.whole[WEIGHTS]
        header = 8 + int.from_bytes(whole[:8], "little")
        self._write(
            WEIGHTS,
            corrupted(rng, whole[:header]) + whole[header:]
            if rng.random() < 0.5
            else corrupted(rng, whole),
        )
        return _ending(_load_network, self.folder)

    def onnx(self, rng: random.Random) -> str:
        """A damaged graph whose hash agrees."""
        self._write(ONNX, corrupted(rng, self.whole[ONNX]))
        return _ending(OnnxRuntime.load, self.folder)

    def _write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)
        values = json.loads(self.whole[MODEL])
        values["files"][name] = hashlib.sha256(data).hexdigest()
        (self.folder / MODEL).write_text(json.dumps(values))


def _in_this_format(model_json: bytes, folder: Path) -> bytes:
    """A model.json of the first format, of the model in `folder`, in the present one."""
    values, info = json.loads(model_json), read_model(folder)
    del values["files"], values["preprocess"]
    values |= {
        "format": FORMAT,
        "policy": dataclasses.asdict(info.policy),
        "spec": info.spec.to_dict(),
        "artefacts": [dataclasses.asdict(one) for one in info.artefacts],
    }
    return json.dumps(values, indent=1).encode()


def _load_network(folder: Path) -> None:
    from liquid_control.policy.saved import load_network

    load_network(folder)


def _ending(read, folder: Path) -> str:
    try:
        read(folder)
    except ModelFileError:
        return "ModelFileError"
    return "read"


def _exchange(rng: random.Random, node: object) -> None:
    """Replaces or removes one value somewhere below `node`."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(node[key], (dict, list)) or rng.random() < 0.2:
            break
        node = node[key]
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = copy.deepcopy(rng.choice(VALUES))
