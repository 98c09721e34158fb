"""The processes of a drive: who died, and who only failed in ending."""

import os
import time

from liquid_control.ros.node_processes import Child, Children

BRIEF = "print('only this')"
STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(3))
print("ready", flush=True)
time.sleep(60)
"""


def test_who_fails_in_ending_has_not_died(tmp_path):
    (tmp_path / "brief.py").write_text(BRIEF)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    cast = [Child("brief", "brief", {}), Child("stubborn", "stubborn", {})]
    with Children(
        cast, {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}, tmp_path / "logs"
    ) as children:
        deadline = time.monotonic() + 20.0
        while children.died() != ["brief"] or children.last_words("stubborn") != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert children.died() == ["brief"]
    assert children.exit_codes == {"brief": 0, "stubborn": 3} and children.pids == {}
    assert children.last_words("brief") == "only this"
