"""Settings of the operator's page."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, number, text


@dataclasses.dataclass(frozen=True)
class OperatorNodeConfig:
    """Where the page is served, and which nodes it is about; read once, when the node starts."""

    host: str = text(
        "127.0.0.1",
        "address to serve the page on; any other than loopback needs token_file, certificate and "
        "key",
    )
    port: int = number(8765, 0, 65535, "", "port to serve it on; 0: any that is free")
    token_file: str = text(
        "", "file with the token (16 to 256 characters) that a browser must enter; empty: none"
    )
    certificate: str = text("", "TLS certificate chain (PEM); empty: no TLS")
    key: str = text("", "its private key (PEM, without a password)")
    hand_speed: float = number(
        2.0,
        0.05,
        30.0,
        "m/s",
        "speed of a stick that is pushed all the way; the gate's limits hold",
    )
    picture_rate: float = number(20.0, 1.0, 60.0, "Hz", "pictures per second on the page, at most")
    gate: str = text("safety_node", "name of the safety gate")
    policy: str = text("policy_node", "name of the policy node")
    recorder: str = text("recorder_node", "name of the recorder")

    def __post_init__(self) -> None:
        check(self)
