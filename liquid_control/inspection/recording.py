"""What a recording holds, what is wrong with it, and what it is fit for. Two levels: the index
alone, or one pass over all messages."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from tqdm import tqdm

from liquid_control.errors import AmbiguousTopicError
from liquid_control.inspection.agreement import Agreement, compare_signals
from liquid_control.inspection.agreement_judgement import judge_agreement
from liquid_control.inspection.content_judgement import judge_driving, judge_imu, judge_pictures
from liquid_control.inspection.facts import full_facts
from liquid_control.inspection.findings import FAULT, WARNING, Finding, verdicts
from liquid_control.inspection.stamp_judgement import (
    judge_clocks,
    judge_damage,
    judge_roles,
    judge_stamps,
)
from liquid_control.inspection.stamps import StampReport
from liquid_control.inspection.tracks import ROLES, Tracks, read_tracks
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.topics import Roles, choose_topics
from liquid_control.recordings.settings import RecordingSettings, TopicMap


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """`facts`: plain data for JSON. The rest is what the page draws; empty and None after a look at
    the index."""

    facts: dict
    stamps: dict[str, StampReport]
    tracks: Tracks | None
    agreement: Agreement | None


def inspect_bag(
    path: str | Path, settings: RecordingSettings | None = None, quick: bool = False
) -> Inspection:
    """Looks at the index alone (`quick`), or reads all messages of the topics in use once and
    decodes some hundred pictures.

    Raises RecordingError when nothing can be read and TopicError when a topic asked for is not there;
    everything else is a finding.
    """
    settings = settings or RecordingSettings()
    with BagReader(path) as reader:
        roles, findings = _settle(reader, settings.topics)
        facts = _index_facts(reader, roles, quick)
        findings += judge_roles(roles)
        stamps, tracks, agreement = {}, None, None
        if not quick:
            length = max((reader.end_ns - reader.start_ns) * 1e-9, 0.0)
            with tqdm(
                total=round(length, 1),
                unit="s",
                desc=Path(path).name,
                file=sys.stderr,
                leave=False,
                disable=None,
            ) as bar:
                tracks = read_tracks(reader, roles, settings, bar.update)
            stamps = {
                role: report
                for role, track in tracks.stamps.items()
                if (report := track.report()) is not None
            }
            agreement = compare_signals(tracks, settings.vehicle)
            findings += _judge(roles, stamps, tracks, agreement, settings)
            facts |= full_facts(stamps, tracks, agreement, settings)
        findings += judge_damage(reader.damage, tracks.skipped if tracks else {})
        facts["damage"] = [dataclasses.asdict(one) for one in reader.damage]
    facts["findings"] = [dataclasses.asdict(one) for one in findings]
    facts["verdict"] = verdicts(findings)
    return Inspection(facts, stamps, tracks, agreement)


def _settle(reader: BagReader, asked: TopicMap) -> tuple[Roles, list[Finding]]:
    """The topic of each role; where several could play one, the one with the most messages, and a
    finding that names the flag."""
    findings: list[Finding] = []
    for _ in ROLES:
        try:
            return choose_topics(reader, asked), findings
        except AmbiguousTopicError as error:
            counts = {topic.name: topic.count or 0 for topic in reader.topics}
            chosen = max(error.candidates, key=lambda name: counts.get(name, 0))
            findings.append(
                Finding(
                    "ambiguous",
                    error.role,
                    f"{len(error.candidates)} topics could be the {error.role}: {', '.join(error.candidates)}; "
                    f"looked at {chosen}",
                    f"say which, for example --topics.{error.role.replace('_', '-')} {chosen}",
                    FAULT,
                    FAULT,
                )
            )
            asked = dataclasses.replace(asked, **{error.role: chosen})
    return choose_topics(reader, asked), findings


def _index_facts(reader: BagReader, roles: Roles, quick: bool) -> dict:
    seconds = max((reader.end_ns - reader.start_ns) * 1e-9, 0.0)
    played: dict[str, list[str]] = {}
    for role in (field.name for field in dataclasses.fields(roles)):
        if topic := getattr(roles, role):
            played.setdefault(topic.name, []).append(role)
    return {
        "recording": str(reader.path),
        "level": "index" if quick else "full",
        "start_ns": reader.start_ns,
        "duration": seconds,
        "messages": sum(topic.count or 0 for topic in reader.topics),
        "topics": [
            {
                "name": topic.name,
                "kind": topic.kind,
                "count": topic.count,
                "roles": played.get(topic.name, []),
                "rate": (topic.count - 1) / seconds
                if topic.count and topic.count > 1 and seconds > 0
                else None,
            }
            for topic in reader.topics
        ],
    }


def _judge(
    roles: Roles,
    stamps: dict[str, StampReport],
    tracks: Tracks,
    agreement: Agreement,
    settings: RecordingSettings,
) -> list[Finding]:
    findings = []
    for role in ROLES:
        if getattr(roles, role) and role not in stamps:
            weight = FAULT if role == "camera" else WARNING
            findings.append(
                Finding(
                    "no_messages",
                    role,
                    f"no readable message on {getattr(roles, role).name}",
                    "",
                    weight,
                    weight,
                )
            )
    camera = stamps.get("camera")
    span = (camera.first, camera.last) if camera else (0.0, 0.0)
    for role, report in stamps.items():
        findings += judge_stamps(role, report, span)
    findings += judge_clocks(stamps, agreement.camera)
    findings += judge_pictures(tracks.pictures)
    findings += judge_imu(tracks.imu, tracks.imu.report())
    findings += judge_driving(tracks.speed, tracks.steering, agreement.steering.known)
    steering_kind = roles.steering.kind if roles.steering else ""
    return findings + list(
        judge_agreement(agreement, steering_kind, settings.steering_scale, settings.vehicle)
    )
