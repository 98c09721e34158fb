"""The topics of takeovers, one for each source, so that none ends what another one holds: a vehicle
is taken over while any of them says so. On one topic the last message of any source would count."""

from __future__ import annotations

TOPIC, PAGE, PAD = "topic", "page", "joystick_node"
TAKEOVER_TOPICS = {TOPIC: "takeover", PAGE: "takeover/page", PAD: "takeover/joystick"}
"""By source; the first is that of nodes that are not ours."""
