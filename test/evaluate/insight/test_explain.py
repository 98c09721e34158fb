"""A page, a video and figures, of cores with and without a wiring."""

from __future__ import annotations

import dataclasses
import json

import av
import numpy as np
import pytest

from liquid_control.config import WorldConfig
from liquid_control.evaluate.insight.explain import ExplainSettings, explain
from liquid_control.model.cores import WiringConfig
from liquid_control.policy.saved import save_model


@pytest.mark.parametrize("core, lesion_roads", [("cfc", 1), ("lstm", 0)])
def test_a_page_a_video_and_figures_of_any_core(network, tmp_path, core, lesion_roads):
    """Untrained: it leaves the road early, and the result states it."""
    draw = WiringConfig(2, 2, sensory_fanout=2, inter_fanout=2, recurrent_command=1, motor_fanin=2)
    net = network(core, {"wiring": draw} if core == "cfc" else {"units": 5})
    save_model(tmp_path / "model", net, {}, {})
    settings = ExplainSettings(
        tmp_path / "model",
        tmp_path / "out",
        roads=2,
        world=WorldConfig(length=60.0, trees=0),
        lesion_roads=lesion_roads,
        lesion_length=50.0,
        synapses=1,
        workers=1,
    )
    facts = explain(settings, progress=False)
    assert json.loads((tmp_path / "out/explain.json").read_text()) == facts
    assert (
        sum(one["way"] == "hold" and one["target"] is None for one in facts["interventions"])
        == 5 * lesion_roads
    )
    assert len(facts["neurons"]) == 5 and (facts["neurons"][0]["time_constant_s"] is None) == (
        core == "lstm"
    )
    assert [row["variance"] for row in facts["saliency_under_noise"]] == [0.1, 0.2, 0.3]
    page = (tmp_path / "out/explain.html").read_text()
    assert "data:video/mp4;base64," in page and "http" not in page.replace("http://www.w3.org", "")
    assert ('class="chart circuit"' in page) == bool(lesion_roads)
    with av.open(str(tmp_path / "out/explain.mp4")) as film:
        frames = list(film.decode(video=0))
    assert 2 <= len(frames) <= facts["steps"] and np.std(frames[-1].to_ndarray(format="gray")) > 10
    if not lesion_roads:
        explain(dataclasses.replace(settings, video=False), progress=False)
        assert not (tmp_path / "out/explain.mp4").exists()
        assert "data:video" not in (tmp_path / "out/explain.html").read_text()
