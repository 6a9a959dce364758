"""``python -m threadfan``."""

from __future__ import annotations

import sys

from threadfan.cli import main

if __name__ == "__main__":
    sys.exit(main())
