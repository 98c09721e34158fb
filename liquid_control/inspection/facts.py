"""Results of one pass over a recording as plain data for JSON: NaN becomes null."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.inspection.agreement import Agreement
from liquid_control.inspection.fit import Fit
from liquid_control.inspection.measurements import AXES
from liquid_control.inspection.series import SeriesTrack
from liquid_control.inspection.stamps import StampReport
from liquid_control.inspection.tracks import Tracks
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.system.plain_json import plain

MOST_GAPS = 20


def full_facts(
    stamps: Mapping[str, StampReport],
    tracks: Tracks,
    agreement: Agreement,
    settings: RecordingSettings,
) -> dict:
    """Statistics by role, and the agreement of the roles. Seconds, rad, m/s; counts of messages."""
    camera_after_imu = None
    if {"camera", "imu"} <= set(stamps):
        camera_after_imu = stamps["camera"].latency - stamps["imu"].latency
    ratio = agreement.steering.ratio if agreement.steering.known else None
    return plain(
        {
            "stamps": settings.stamps,
            "streams": {role: _stream(report) for role, report in stamps.items()},
            "pictures": _pictures(tracks),
            "imu": {
                "samples": max(tracks.gyro.count, tracks.accelerometer.count),
                "not_finite": max(tracks.gyro.not_finite, tracks.accelerometer.not_finite),
                "axes": _columns(tracks.gyro, AXES[:3]) | _columns(tracks.accelerometer, AXES[3:]),
                "stuck": tracks.gyro.stuck | tracks.accelerometer.stuck,
            },
            "speed": _columns(tracks.speed, ("speed",)),
            "steering": _columns(tracks.steering, ("angle",)),
            "clock": {
                "receipt_camera_minus_imu": camera_after_imu,
                "picture_to_gyro": _fit(agreement.camera),
            },
            "agreement": {
                "steering_to_gyro": _fit(agreement.steering),
                "recorded_over_needed_angle": ratio,
                "fitted_wheelbase": settings.vehicle.wheelbase * ratio
                if ratio is not None and 0.5 < ratio < 2.0
                else None,
                "gyro_axes": agreement.axes,
                "lateral_acceleration": _fit(agreement.lateral),
                "relations": {
                    one.name: {"log": one.log, "sigma": one.sigma, "sign": one.sign}
                    for one in agreement.diagnosis.relations.measured
                },
                "errors": [
                    [dataclasses.asdict(error) for error in one.errors]
                    for one in agreement.diagnosis.explained
                ],
                "steering_calibration": dataclasses.asdict(agreement.calibration)
                if agreement.calibration
                else None,
            },
            "skipped": dict(tracks.skipped),
        }
    )


def _stream(report: StampReport) -> dict:
    facts = dataclasses.asdict(report)
    del facts["intervals"], facts["latencies"]
    return {
        **facts,
        "gaps": [{"at": at, "length": length} for at, length in report.gaps[:MOST_GAPS]],
    }


def _pictures(tracks: Tracks) -> dict | None:
    pictures = tracks.pictures
    if not pictures.count:
        return None
    appearance = np.array(pictures.appearance).reshape(-1, 3)
    return {
        "shapes": [
            {"encoding": e, "width": w, "height": h, "messages": count}
            for (e, w, h), count in pictures.shapes.most_common()
        ],
        "messages": pictures.count,
        "decoded": pictures.decoded,
        "mean_bytes": pictures.bytes / pictures.count,
        "brightness": appearance[:, 1].mean() if len(appearance) else None,
        "contrast": appearance[:, 2].mean() if len(appearance) else None,
        "blank": pictures.blank,
        "blank_at": pictures.blank_at[:MOST_GAPS],
        "repeated": pictures.repeats,
        "longest_repetitions": sorted(pictures.repeated, key=lambda run: -run[1])[:MOST_GAPS],
        "failed": dict(pictures.failed),
    }


def _columns(track: SeriesTrack, names: Sequence[str]) -> dict:
    return {
        name: {
            "lowest": c.lowest,
            "highest": c.highest,
            "mean": c.mean,
            "deviation": c.deviation,
            "clipped": c.clipped(track.count),
        }
        for name, c in zip(names, track.report(), strict=False)
    }


def _fit(fit: Fit) -> dict:
    delay = dataclasses.asdict(fit.delay) if fit.delay else None
    known = {"slope": fit.slope, "correlation": fit.correlation, "samples": fit.samples}
    return {**known, "delay": delay, "unknown_because": fit.reason or None}
