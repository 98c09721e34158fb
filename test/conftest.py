import importlib.util
from pathlib import Path

import pytest

from liquid_control.train.threads import wait_without_spinning

wait_without_spinning()


@pytest.fixture(scope="session")
def drives():
    """The module `written_drive`: small drives as bags, whose road can be seen in the picture."""
    spec = importlib.util.spec_from_file_location("written_drive", Path(__file__).with_name("written_drive.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
