"""``python -m kegnet_np``: the same as the command ``kegnet``."""

import sys

from .cli import main

sys.exit(main())
