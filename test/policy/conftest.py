from __future__ import annotations

import pytest
import torch

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.feedforward import FeedForwardCell
from liquid_control.policy.cells.gru import GruCell
from liquid_control.policy.cells.lstm import LstmCell
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.choose import REGISTERED

NCP = NcpWiring.build(
    inputs=5,
    inter=6,
    command=4,
    motor=2,
    sensory_fanout=3,
    inter_fanout=2,
    recurrent_command=5,
    motor_fanin=3,
)
FREE = FreeWiring.sparse(5, 12, 3, sparsity=0.6)

CELLS = {
    "ltc": lambda: LtcCell(NCP, unfolds=3),
    "ltc free affine": lambda: LtcCell(FREE, unfolds=2, affine=True),
    "cfc": lambda: CfcCell(5, 12, backbone=0),
    "cfc backbone": lambda: CfcCell(5, 12, backbone=9, layers=2, activation="silu"),
    "cfc wide": lambda: CfcCell(5, 12, backbone=512),
    "cfc no_gate": lambda: CfcCell(5, 12, backbone=9, variant="no_gate"),
    "cfc pure": lambda: CfcCell(5, 12, backbone=9, variant="pure"),
    "cfc mixed": lambda: CfcCell(5, 12, backbone=9, variant="mixed_memory"),
    "wired": lambda: WiredCfcCell(NCP),
    "wired dense time": lambda: WiredCfcCell(NCP, dense_time=True),
    "wired no_gate": lambda: WiredCfcCell(NCP, variant="no_gate"),
    "wired pure": lambda: WiredCfcCell(NCP, variant="pure"),
    "wired mixed": lambda: WiredCfcCell(NCP, variant="mixed_memory"),
    "wired free": lambda: WiredCfcCell(FREE),
    "lstm_cfc": lambda: LstmCfcCell(5, 12, backbone=9),
    "ct_rnn": lambda: CtRnnCell(5, 12),
    "ct_rnn exponential": lambda: CtRnnCell(5, 12, exponential=True),
    "gru": lambda: GruCell(5, 12, timed=False),
    "gru timed": lambda: GruCell(5, 12),
    "lstm": lambda: LstmCell(5, 12, timed=False),
    "lstm timed": lambda: LstmCell(5, 12),
    "feedforward": lambda: FeedForwardCell(5, 12),
    "feedforward stack": lambda: FeedForwardCell(5, 12, stack=3),
}
"""Every cell, in every variant, all with 5 inputs and 12 neurons, in the default type."""
WITHOUT_TIME = {"gru", "lstm", "feedforward", "feedforward stack"}
"""Cells whose step does not depend on dt."""
WITHOUT_STATE = {"feedforward"}
"""Cells whose step does not depend on the state."""


@pytest.fixture
def cells():
    """The list of all cells."""
    return CELLS


def _kernels(kind):
    return ("auto", "reference") if type(CELLS[kind]()) in REGISTERED else ("auto",)


@pytest.fixture(params=[f"{kind}-{kernel}" for kind in CELLS for kernel in _kernels(kind)])
def cell(request):
    """Each kind on each kernel in turn, in float64, with weights away from where they start."""
    torch.manual_seed(0)
    kind, kernel = request.param.split("-")
    made = CELLS[kind]().double()
    made.kernel = kernel
    made.uses_time, made.uses_state = kind not in WITHOUT_TIME, kind not in WITHOUT_STATE
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


@pytest.fixture
def double():
    """float64 unless a tensor says otherwise."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small are faster on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
