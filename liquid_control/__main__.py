"""`python -m liquid_control` is `liquid-control`."""

import sys

from liquid_control.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
