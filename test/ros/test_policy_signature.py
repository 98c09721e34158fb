"""A policy node with a required signature."""

from __future__ import annotations

import shutil

from geometry_msgs.msg import TwistStamped

from liquid_control.model.signing import SignSettings, sign_model


def test_it_drives_what_its_key_signed_and_does_not_start_with_anything_else(
    start, probe, model, picture, shot, tmp_path
):
    signed = shutil.copytree(model, tmp_path / "signed")
    key = sign_model(SignSettings(str(signed), tmp_path / "key.pem", new_key=True))["public_key"]
    assert start("policy_node", model=model, require_signature=key).wait(timeout=60) == 1

    start("policy_node", model=signed, require_signature=key)
    proposals = probe.listen(TwistStamped, "proposal")
    probe.drive("camera/image_raw", lambda: shot(picture), 2, proposals)
    assert len(proposals) >= 2
