#!/usr/bin/env bash
# Runs the tests of the nodes, launch files and gate on ROS 2 Jazzy (rclpy 7.1, Fast DDS 2.14, numpy 1.26, OpenCV 4.6), in an environment of
# its own: .venv-jazzy, made from tools/jazzy.txt. Arguments are those of pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv-jazzy/bin/python
fingerprint() { { cat tools/jazzy.txt; pwd; } | sha256sum; }

if [ ! -f .venv-jazzy/ready ] || [ "$(cat .venv-jazzy/ready)" != "$(fingerprint)" ] || ! "$python" -c '' 2>/dev/null; then
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { echo "test-jazzy: got $(.venv/bin/python -V), expected 3.11 or 3.12: make clean, then make PYTHON=python3.11 test-jazzy" >&2; exit 1; }
    echo "test-jazzy: installing the wheels of Jazzy into .venv-jazzy" >&2
    .venv/bin/python -m venv --clear .venv-jazzy
    "$python" -m pip --disable-pip-version-check --no-input -q install -r tools/jazzy.txt >&2
    fingerprint >.venv-jazzy/ready
fi
# The guide is for the environment of make setup.
[ $# -gt 0 ] || set -- test/ros test/launch test/control --ignore test/ros/test_robot_guide.py
"$python" -c 'import cv2, numpy; from importlib.metadata import version; print("test-jazzy: rclpy", version("ros-rclpy"), "numpy", numpy.__version__, "OpenCV", cv2.__version__)' >&2
PYTHONPATH=$PWD PATH=$PWD/.venv-jazzy/bin:$PATH exec "$python" -m pytest -p no:cacheprovider "$@"
