"""``python -m kegnet_np``: the same as the command ``kegnet``."""

import sys

from .interface.cli import main

sys.exit(main())
