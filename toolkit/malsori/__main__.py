"""``python -m malsori``."""

import sys

from malsori.bin.main import main

sys.exit(main())
