"""The figures of a drive, each from a log whose answer is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from liquid_control.errors import ShapeError
from liquid_control.evaluate.drive.log import (
    Commands,
    DriveLog,
    Neurons,
    Pictures,
    Proposals,
    Track,
    table,
)
from liquid_control.evaluate.drive.summary import entries, summarize
from liquid_control.signals import Limit

MS = 1_000_000
NOW = 1_760_000_000_000_000_000


def track(lane_offset, speed: float = 10.0, slowness: float = 1.0) -> Track:
    """Straight ahead at `speed`, 50 ms a sample; `slowness`: received time per stamped time."""
    count = len(lane_offset)
    stamps = NOW + np.arange(count) * 50 * MS
    received = NOW + (np.arange(count) * 50 * slowness).astype(np.int64) * MS
    along, zeros = np.arange(count) * 0.05 * speed, np.zeros(count)
    return Track(stamps, received, along, zeros, zeros, zeros + speed, along, lane_offset, zeros)


def test_distance_offset_and_real_time_factor():
    figures = summarize(DriveLog(track=track(np.tile([0.3, -0.3], 101), slowness=1.25)))
    assert (
        figures["distance_m"] == pytest.approx(100.5)
        and figures["duration_s"] == 10.05
        and figures["mean_speed"] == 10.0
    )
    assert figures["lateral_rmse_m"] == 0.3 and figures["lateral_max_m"] == 0.3
    assert figures["departures"] == figures["off_road"] == 0 and figures["success"]
    assert figures["real_time_factor"] == pytest.approx(0.8, abs=0.01)


def test_departures_are_entries_not_samples():
    offset = np.zeros(40)
    offset[5:10], offset[20:22], offset[30:] = 1.2, -1.01, 1.9
    figures = summarize(DriveLog(track=track(offset)))
    assert (figures["departures"], figures["off_road"], figures["success"]) == (3, 1, False)
    assert [entries(np.array(series, bool)) for series in ([], [1], [0, 1, 0, 1], [1, 1])] == [
        0,
        1,
        2,
        1,
    ]


def test_a_vehicle_that_is_put_back_did_not_drive_there():
    driven = track(np.zeros(21))
    driven.x[10:] -= 300.0
    assert summarize(DriveLog(track=driven))["distance_m"] == pytest.approx(9.5)


def test_latency_counts_each_frame_once_and_neither_repeats_nor_the_start():
    rows = [(0, NOW, 0.0, 0.0, NOW + MS)]
    for frame in range(100):
        stamp = NOW + frame * 40 * MS
        rows += [
            (stamp, stamp + (late + 3) * MS, 0.0, 9.0, stamp + (late + 4) * MS) for late in (0, 20)
        ]
    figures = summarize(DriveLog(commands=table(Commands, rows)))
    assert (
        figures["latency_ms_p50"] == figures["latency_ms_p99"] == figures["latency_ms_max"] == 4.0
    )


def test_gate_activations_come_from_the_commands_or_from_the_node_that_counted_them():
    acted = [Limit.NONE, Limit.ANGLE_RATE, Limit.ANGLE_RATE | Limit.STALE, Limit.NONE]
    log = DriveLog(
        commands=table(
            Commands,
            [(NOW + i, NOW + i, 0.0, 0.0, NOW + i, limit.value) for i, limit in enumerate(acted)],
        )
    )
    figures = summarize(log)
    assert figures["gate_activations"] == 2 and figures["gate_limits"] == {
        "stale": 1,
        "angle_rate": 2,
    }
    counted = DriveLog(
        commands=log.commands, counters={"gate_activations": 7, "gate_speed": 7, "gate_angle": 0}
    )
    assert summarize(counted)["gate_activations"] == 7 and summarize(counted)["gate_limits"] == {
        "speed": 7
    }


def test_frames_come_from_the_nodes_and_used_ones_from_the_proposals_if_need_be():
    proposals = table(Proposals, [(NOW + i // 2, NOW + i, 0.0, 9.0) for i in range(10)])
    assert summarize(DriveLog(proposals=proposals))["frames_used"] == 5
    counters = {"frames_sent": 9, "frames_received": 8.0, "frames_used": 7, "rejected_older": 1}
    figures = summarize(DriveLog(proposals=proposals, counters=counters))
    assert [figures[f"frames_{what}"] for what in ("sent", "received", "used")] == [
        9,
        8,
        7,
    ] and figures["rejected_older"] == 1


def test_a_dead_process_is_no_success():
    codes = {"sim_node": 0, "policy_node": -9, "safety_node": 0}
    figures = summarize(
        DriveLog(track=track(np.zeros(9)), exit_codes=codes, died=("safety_node", "policy_node"))
    )
    assert (figures["processes_died"], figures["dead_processes"], figures["success"]) == (
        2,
        ["policy_node", "safety_node"],
        False,
    )
    assert figures["unclean_exits"] == {}


def test_a_process_that_fails_in_ending_is_listed_and_does_not_fail_the_drive():
    codes = {"sim_node": 0, "policy_node": -9, "safety_node": -11}
    figures = summarize(DriveLog(track=track(np.zeros(9)), exit_codes=codes, died=("policy_node",)))
    assert figures["unclean_exits"] == {"safety_node": -11} and not figures["success"]
    figures = summarize(DriveLog(track=track(np.zeros(9)), exit_codes=codes))
    assert (
        figures["unclean_exits"] == {"policy_node": -9, "safety_node": -11} and figures["success"]
    )


def test_an_empty_log_has_figures_that_json_can_hold():
    figures = summarize(DriveLog())
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert (
        figures["success"] is False
        and figures["latency_ms_p50"] is None
        and figures["lateral_rmse_m"] is None
    )


def test_truth_that_is_not_known_is_left_out():
    driven = track(np.array([0.2, math.nan, -0.2, math.inf]))
    assert summarize(DriveLog(track=driven))["lateral_rmse_m"] == 0.2


def test_rows_become_columns_in_order_of_receipt():
    proposals = table(Proposals, [(NOW + 1, NOW + 9, 0.1, 1.0), (NOW, NOW + 5, 0.2, 2.0)])
    assert proposals.stamp_ns.dtype == np.int64 and list(proposals.curvature) == [0.2, 0.1]
    pictures = table(Pictures, [(NOW + 1, b"late"), (NOW, b"early")])
    assert pictures.encoded == (b"early", b"late") and DriveLog(pictures=pictures).start_ns == NOW
    assert table(Neurons, [(NOW, np.zeros(19))]).state.shape == (1, 19)


def test_columns_of_different_length_are_refused():
    with pytest.raises(ShapeError, match=r"Proposals.curvature: got shape \(1,\), expected \(2"):
        Proposals([1, 2], [1, 2], [0.0], [1.0, 1.0])


def test_the_thresholds_are_the_worlds():
    from liquid_control.sim.tasks import lane_keeping

    assert DriveLog().scale == lane_keeping.SCALE
