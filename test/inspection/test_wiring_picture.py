"""The picture shows every synapse and says how many there are."""

from __future__ import annotations

import re

import pytest

from liquid_control.errors import ConfigError
from liquid_control.inspection.wiring_picture import EXCITES, INHIBITS, draw_wiring
from liquid_control.model.wiring import NcpWiring


def lines(svg: str, colour: str) -> int:
    return len(re.findall(rf"stroke: {colour}", svg))


SMALL = NcpWiring.build(inputs=8, inter=5, command=4, motor_fanin=4, sensory_fanout=2, seed=3)


@pytest.mark.parametrize("wiring", [NcpWiring.build(), SMALL], ids=["19 neurons", "10 neurons"])
def test_every_synapse_is_drawn_in_the_colour_of_its_polarity(tmp_path, wiring):
    draw_wiring(wiring, tmp_path / "wiring.svg")
    svg = (tmp_path / "wiring.svg").read_text()
    polarities = [polarity for *_, polarity in (*wiring.sensory, *wiring.synapses)]
    recurrent = [
        (s, t, p)
        for s, t, p in wiring.synapses
        if s in wiring.command_neurons and t in wiring.command_neurons and s != t
    ]
    for colour, polarity in ((EXCITES, 1), (INHIBITS, -1)):
        heads = sum(p == polarity for *_, p in recurrent)
        assert lines(svg, colour) == polarities.count(polarity) + heads


def test_the_same_wiring_gives_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_wiring(NcpWiring.build(seed=1), tmp_path / "new" / name)
    assert (tmp_path / "new/a.svg").read_bytes() == (tmp_path / "new/b.svg").read_bytes()


def test_a_kind_of_file_that_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="svg"):
        draw_wiring(NcpWiring.build(), tmp_path / "wiring.docx")
