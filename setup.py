"""Package set-up: colcon builds it as an ament_python package, pip as a plain one."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "liquid_control"
RUN = ["numpy", "opencv-python-headless", "onnxruntime", "safetensors", "PyYAML", "tyro", "tqdm"]
SIM = ["mujoco", "PyOpenGL", "gymnasium", "tqdm"]
BAGS = ["rosbags", "mcap", "lz4", "backports.zstd", "apsw", "av", "pyarrow"]
REPORT = ["matplotlib", "av", "Jinja2", "pyarrow"]
TRAIN = [*RUN, *SIM, *BAGS, "torch", "numba", "onnx", "onnxscript", "tensorboard"]
SECURITY = ["cryptography"]
OPERATE = ["aiohttp"]
TEST = [
    "pytest",
    "pytest-timeout",
    "aiohttp",
    "hypothesis",
    "ruff",
    "ncps",
    "scipy",
    "triton; platform_machine == 'x86_64'",
]


def share(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """The files in `folder`, for installation at the same path in share/liquid_control."""
    files = [path for path in sorted(Path(folder).rglob(pattern)) if path.is_file()]
    return [
        (f"share/{NAME}/{parent}", [str(f) for f in files if f.parent == parent])
        for parent in sorted({f.parent for f in files})
    ]


setup(
    name=NAME,
    version="0.1.0",
    description="Drives a vehicle with a liquid neural network: camera and IMU in, steering out, "
    "through a safety gate.",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: [
            "report/templates/*",
            "sim/assets/*",
            "sim/assets/**/*",
            "policy/kernels/**/*",
            "deploy/c99/templates/*",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share("launch", "*.launch.py"),
        *share("config", "*"),
        *share("integration", "*"),
        *share("joysticks", "*"),
        *share("models", "*"),
    ],
    install_requires=["setuptools"],
    extras_require={
        "run": RUN,
        "sim": SIM,
        "bags": BAGS,
        "report": REPORT,
        "train": TRAIN,
        "security": SECURITY,
        "operate": OPERATE,
        "test": TEST,
    },
    entry_points={
        "console_scripts": [
            f"liquid-control = {NAME}.cli.main:main",
            f"policy_node = {NAME}.ros.executables:policy_node",
            f"safety_node = {NAME}.ros.executables:safety_node",
            f"operator_node = {NAME}.ros.executables:operator_node",
            f"recorder_node = {NAME}.ros.executables:recorder_node",
            f"joystick_node = {NAME}.ros.executables:joystick_node",
            f"sim_node = {NAME}.ros.executables:sim_node",
        ],
        "gymnasium.envs": [f"{NAME} = {NAME}.sim.registration:register_environments"],
    },
    zip_safe=False,
)
