"""How the process of a node ended."""

ENDED, FAILED_START, CRASHED = 0, 1, 70
"""On request; before it ran (an error of ours, or a command line or parameter file that ROS
cannot read); by an error while it ran (EX_SOFTWARE of sysexits.h)."""
