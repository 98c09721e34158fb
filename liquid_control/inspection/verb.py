"""The verb `inspect`: of recordings and models, or of models only where rosbags is not installed."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("rosbags") is not None:
    from liquid_control.inspection.inspect_any import VERB
else:  # a robot that only drives
    from liquid_control.inspection.model import MODELS_ONLY as VERB

__all__ = ["VERB"]
