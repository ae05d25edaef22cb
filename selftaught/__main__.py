"""``python -m selftaught`` and the command ``selftaught``."""

from __future__ import annotations

import sys

from selftaught.cli import main

if __name__ == "__main__":
    sys.exit(main())
