"""The C source of a policy, compiled for real: equal to the network, to the bit whatever the
compiler optimises, and without undefined behaviour for any number."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from liquid_control.cli import main as cli
from liquid_control.config import PreprocessConfig
from liquid_control.deploy.c99.export_c import export_c, noise
from liquid_control.deploy.c99.library import NATIVE, CompileError, NativeRuntime, StepRefusedError
from liquid_control.deploy.c99.source import identifier
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.runtimes import load_backend
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError, MissingDependencyError, TimeError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.signals import Observation

COMPILER = next(filter(shutil.which, ("gcc", "cc", "clang")), None)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler: tools/setup.sh compiler")
SHIPPED = ("lane_keeper", "lane_keeper_cfc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off")

ARM = ("aarch64-linux-gnu-gcc", "qemu-aarch64")

BITS = """
#include <stdio.h>
#include "name.h"
int main(void)
{
    static name_memory memory;
    static uint8_t image[NAME_HEIGHT * NAME_WIDTH * 3];
    union { float number; uint32_t bits; } word;
    name_state state;
    uint32_t noise = 1u;
    name_start(&state);
    for (int step = 0; step < 12; ++step) {
        float action[NAME_ACTIONS], measurements[NAME_MEASUREMENTS];
        for (unsigned i = 0; i < sizeof image; ++i) {
            noise = noise * 1664525u + 1013904223u;
            image[i] = (uint8_t)(noise >> (24 + step % 3));
        }
        for (int i = 0; i < NAME_MEASUREMENTS; ++i) measurements[i] = (float)(noise >> 27) - 9.0f;
        const float dt = 0.001f * (float)(1u + (noise >> 25));
        name_step(image, measurements, dt, &state, &memory, action);
        word.number = action[0];
        printf("%08x", (unsigned)word.bits);
        for (unsigned i = 0; i < sizeof state.neuron / sizeof state.neuron[0]; ++i) {
            word.number = state.neuron[i];
            printf(" %08x", (unsigned)word.bits);
        }
        printf("\\n");
    }
    return 0;
}
"""

HOSTILE = """
#include <stdio.h>
#include <string.h>
#include "lane_keeper.h"
int main(void)
{
    static lane_keeper_memory memory;
    static uint8_t image[64 * 128 * 3];
    const float zero = 0.0f;
    const float odd[] = {0.0f, -0.0f, 1.0f, -1.0f, 1e-45f, 1e-38f, 3.4e38f, -3.4e38f, 1.0f / zero,
                         -1.0f / zero, zero / zero};
    const int count = (int)(sizeof odd / sizeof odd[0]);
    int refused = 0, wrong = 0, steps = 0;
    for (int a = 0; a < count; ++a) for (int b = 0; b < count; ++b)
    for (int c = 0; c < count; ++c) {
        lane_keeper_state state, before;
        float measurements[] = {odd[b], odd[(b + c) % count], odd[c]};
        float action[] = {7.0f};
        lane_keeper_start(&state);
        for (int i = 0; i < 19; ++i) state.neuron[i] = odd[(c + i * (a & 1)) % count];
        memset(image, a * 23, sizeof image);
        before = state;
        const int answer = lane_keeper_step(image, measurements, odd[a], &state, &memory, action);
        ++steps;
        if (answer) {
            ++refused;
            before.refused = 1;
            wrong += memcmp(&before, &state, sizeof state) != 0 || action[0] != 7.0f;
        } else {
            wrong += !(action[0] * 0.0f == 0.0f);
            for (int i = 0; i < 19; ++i) wrong += !(state.neuron[i] * 0.0f == 0.0f);
        }
    }
    printf("%d %d %d\\n", steps, refused, wrong);
    return 0;
}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    for name in SHIPPED:
        export_c(find_model(name), folder / name)
    return folder


def run(*words, **more) -> str:
    return subprocess.run(
        list(map(str, words)), check=True, capture_output=True, timeout=120, **more
    ).stdout


def observations(info, count, seed=0):
    """Free-running irregular steps over pictures with structure and noise."""
    rng, spec = np.random.default_rng(seed), info.spec
    size = (spec.image.height, spec.image.width, 3)
    rows = np.linspace(0.0, 1.0, size[0])[:, None, None]
    for index in range(count):
        bright = rng.uniform(30.0, 200.0, 3) * rows + rng.uniform(0.0, 40.0)
        image = np.clip(bright + rng.normal(0.0, 12.0, size), 0, 255).astype(np.uint8)
        numbers = [one.centre + one.scale * rng.normal() for one in spec.measurements]
        dt = float(np.exp(rng.uniform(np.log(0.002), np.log(0.4))))
        yield Observation(index, image, np.array(numbers, np.float32), dt, index == 0)


def largest_difference(info, one, other, count):
    """Of the actions, in units of their scales, each runtime fed with its own state."""
    states, unit, largest = [one.initial_state(), other.initial_state()], info.spec.actions, 0.0
    scale = np.array([action.scale for action in unit])
    for seen in observations(info, count):
        (a, states[0]), (b, states[1]) = one.step(seen, states[0]), other.step(seen, states[1])
        largest = max(largest, float(np.abs((a - b) / scale).max()))
    return largest


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_exported_builds_without_a_warning_and_passes_its_own_test(name, sources):
    folder = sources / name
    files = {path.name for path in folder.iterdir()}
    assert {f"{name}.h", f"{name}.c", "Makefile", "CMakeLists.txt"} <= files
    words = [f"test_{name}.c", f"{name}.c", "-o", "test"]
    run(COMPILER, *STRICT, "-O2", *words, cwd=folder)
    assert b"32 steps, largest difference" in run("./test", cwd=folder)
    source = (folder / f"{name}.c").read_text()
    assert "malloc" not in source and "#include <" not in source
    assert (folder / f"{name}.h").read_text().count("#include <stdint.h>") == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_the_stack_is_below_what_the_header_says(name, sources, tmp_path):
    folder = sources / name
    said = int(re.search(r"less than (\d+) bytes of stack", (folder / f"{name}.h").read_text())[1])
    source = folder / f"{name}.c"
    for optimisation in ("-O0", "-O2", "-O3"):
        run(COMPILER, optimisation, "-fstack-usage", "-c", source, "-o", tmp_path / "it.o")
        table = (line.split("\t") for line in (tmp_path / "it.su").read_text().splitlines())
        used = sorted(int(size) for _, size, _ in table)
        assert 0 < sum(used[-3:]) < said  # the step, and no more than two calls deep


def test_the_self_test_finds_a_changed_weight(sources, tmp_path):
    """Else it would prove nothing."""
    source = (sources / "lane_keeper" / "lane_keeper.c").read_text()
    start = source.index("input_scale[")
    first = source.index("{", start) + 1
    changed = source[:first] + "\n    1.5f," + source[source.index(",", first) + 1 :]
    for name in ("lane_keeper.h", "test_lane_keeper.c"):
        shutil.copy(sources / "lane_keeper" / name, tmp_path)
    (tmp_path / "lane_keeper.c").write_text(changed)
    run(COMPILER, "-O1", "test_lane_keeper.c", "lane_keeper.c", "-o", "test", cwd=tmp_path)
    assert subprocess.run(["./test"], cwd=tmp_path, check=False, capture_output=True).returncode


def test_the_shipped_policies_equal_pytorch_over_a_thousand_steps(tmp_path):
    for name, within in zip(SHIPPED, (1e-5, 1e-4), strict=True):
        info = read_model(find_model(name))
        pair = NativeRuntime(info, tmp_path), TorchRuntime.load(info.directory)
        assert largest_difference(info, *pair, 1000) < within


@pytest.mark.parametrize(
    ("core", "encoder", "size", "speed"),
    [
        ("ltc", "slim", (17, 35), True),
        ("cfc", "strided", (33, 64), False),
        ("ltc", "published", (40, 30), False),
    ],
)
def test_every_encoder_size_and_output_equals_pytorch(core, encoder, size, speed, tmp_path):
    torch.manual_seed(1)
    config = PolicyConfig(encoder=encoder, core=CORES[core](), image_features=32)
    network = PolicyNetwork(config, lane_keeping(PreprocessConfig(*size), speed=speed))
    save_model(tmp_path / "model", network, {}, {})
    info = read_model(tmp_path / "model")
    pair = NativeRuntime(info, tmp_path, ()), TorchRuntime.load(info.directory)
    assert largest_difference(info, *pair, 40) < 2e-5


def test_every_optimisation_gives_the_same_bits(tmp_path):
    info = read_model(find_model("lane_keeper"))
    found = {}
    for flags in (("-O0",), ("-O2",), (), (NATIVE,)):
        runtime, seen = NativeRuntime(info, tmp_path, flags), []
        state = runtime.initial_state()
        for step in observations(info, 25):
            action, state = runtime.step(step, state)
            seen.append(action.tobytes() + state["state"].tobytes())
        found[flags] = b"".join(seen)
    assert len({path.name for path in tmp_path.glob("*.so")}) == 4
    assert len(set(found.values())) == 1


@pytest.mark.skipif(not all(map(shutil.which, ARM)), reason="no QEMU: tools/setup.sh arm64")
@pytest.mark.parametrize("name", SHIPPED)
def test_64_bit_arm_gives_the_same_bits(name, sources, tmp_path):
    """Under QEMU, with neon and without optimisation; the self-test passes there, too."""
    compiler, emulator = ARM
    (tmp_path / "bits.c").write_text(BITS.replace("NAME", name.upper()).replace("name", name))
    folder, found = sources / name, []
    for words, before in (
        ((COMPILER, "-O3"), ()),
        ((compiler, "-O3", "-static"), (emulator,)),
        ((compiler, "-O0", "-static"), (emulator,)),
    ):
        flags = (*words, *STRICT, f"-I{folder}", "-o", tmp_path / "program")
        run(*flags, tmp_path / "bits.c", folder / f"{name}.c")
        found.append(run(*before, tmp_path / "program"))
    assert found[0].count(b"\n") == 12 and found[0] == found[1] == found[2]
    run(*flags, folder / f"test_{name}.c", folder / f"{name}.c")
    assert b"largest difference" in run(emulator, tmp_path / "program")


def test_no_number_is_undefined_behaviour_or_passes_unnoticed(sources, tmp_path):
    """Zero, the smallest, the largest, infinite and no numbers in every place, under the address
    and undefined-behaviour sanitizers: what is not refused has a finite answer, and a refusal
    leaves state and action as they were."""
    for name in ("lane_keeper.h", "lane_keeper.c"):
        shutil.copy(sources / "lane_keeper" / name, tmp_path)
    (tmp_path / "hostile.c").write_text(HOSTILE)
    checks = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    run(COMPILER, "-std=c99", *checks, "hostile.c", "lane_keeper.c", "-o", "hostile", cwd=tmp_path)
    steps, refused, wrong = map(int, run("./hostile", cwd=tmp_path).split())
    assert steps == 11**3 and wrong == 0
    assert 0.5 * steps < refused < steps - 20


def test_refusals_have_their_reason(tmp_path):
    info = read_model(find_model("lane_keeper"))
    runtime = NativeRuntime(info, tmp_path)
    good, state = next(observations(info, 1)), runtime.initial_state()
    with pytest.raises(TimeError):
        runtime.step(dataclasses.replace(good, dt=0.0), state)
    numbers = good.measurements.copy()
    numbers[1] = np.nan
    with pytest.raises(StepRefusedError, match="a measurement is not finite") as refusal:
        runtime.step(dataclasses.replace(good, measurements=numbers), state)
    assert refusal.value.answer == 2
    with pytest.raises(StepRefusedError, match="the state is not finite"):
        runtime.step(good, {"state": np.full(19, np.inf, np.float32)})
    assert np.isfinite(runtime.step(good, state)[0]).all()


def test_compiled_once_and_again_when_damaged(tmp_path, monkeypatch):
    info = read_model(find_model("lane_keeper"))
    first = NativeRuntime(info, tmp_path).library
    made = first.stat().st_mtime_ns
    assert NativeRuntime(info, tmp_path).library.stat().st_mtime_ns == made
    content = first.read_bytes()
    first.unlink()  # this process has the library open: its file must not change
    first.write_bytes(content[:1000])
    with pytest.warns(RuntimeWarning, match="is damaged and is compiled again"):
        again = NativeRuntime(info, tmp_path)
    assert again.library == first and first.stat().st_size == len(content)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(CompileError, match="false does not compile lane_keeper"):
        NativeRuntime(info, tmp_path / "other")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(CompileError, match="no-such-compiler does not run"):
        NativeRuntime(info, tmp_path / "other")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="a C compiler"):
        NativeRuntime(info, tmp_path / "other")


def test_the_example_reads_steps_and_prints_actions(sources, tmp_path):
    folder, info = sources / "lane_keeper", read_model(find_model("lane_keeper"))
    program = tmp_path / "example"
    run(
        COMPILER,
        *STRICT,
        "-O1",
        "example_lane_keeper.c",
        "lane_keeper.c",
        "-o",
        program,
        cwd=folder,
    )
    runtime, given, expected = NativeRuntime(info, tmp_path), b"", []
    state = runtime.initial_state()
    for step in observations(info, 3):
        given += np.float32(step.dt).tobytes() + step.measurements.tobytes() + step.image.tobytes()
        action, state = runtime.step(step, state)
        expected.append(float(action[0]))
    printed = [float(line) for line in run(program, input=given).split()]
    assert printed == pytest.approx(expected, abs=1e-6)


def test_a_core_without_c_code_is_named(tmp_path, capsys):
    network = PolicyNetwork(
        PolicyConfig(encoder="slim", core=CORES["gru"]()), lane_keeping(PreprocessConfig(16, 32))
    )
    save_model(tmp_path / "gru", network, {}, {})
    with pytest.raises(ConfigError, match="'gru'.*ltc or cfc: no other core has C code"):
        export_c(tmp_path / "gru", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert cli.main(["export", str(tmp_path / "gru"), "--c", str(tmp_path / "out")]) == 2
    assert "no other core has C code" in capsys.readouterr().err


def test_names_of_models_become_names_of_c():
    assert [identifier(name) for name in ("Lane-Keeper 2", "2nd", "ä", "")] == [
        "lane_keeper_2",
        "policy_2nd",
        "_",
        "policy",
    ]


def test_the_noise_of_the_self_test_is_that_of_its_c_code():
    value, expected = 1, []
    for _ in range(5000):
        value = (value * 1664525 + 1013904223) % 2**32
        expected.append(value >> 24)
    assert noise(5000).tolist() == expected


def test_only_auto_falls_back_and_says_why(monkeypatch, tmp_path):
    info = read_model(find_model("lane_keeper"))
    assert load_backend(info, "auto")[1] == ""
    assert isinstance(load_backend(info, "native")[0], NativeRuntime)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MissingDependencyError, match="a C compiler"):
        load_backend(info, "native")
    runtime, why = load_backend(info, "auto")
    assert isinstance(runtime, OnnxRuntime) and "a C compiler" in why
    with pytest.raises(ConfigError, match="onnx, native, auto"):
        load_backend(info, "tensorrt")


def test_a_robot_needs_neither_pytorch_nor_onnx_runtime():
    code = (
        "import sys; sys.modules.update(torch=None, onnxruntime=None, numba=None)\n"
        "from liquid_control import find_model, load_runtime\n"
        "from liquid_control.deploy.runtime import zero_observation\n"
        "runtime = load_runtime(find_model('lane_keeper'), 'native')\n"
        "print(runtime.step(zero_observation(runtime.spec), runtime.initial_state())[0].shape)"
    )
    assert run(sys.executable, "-c", code) == b"(1,)\n"
