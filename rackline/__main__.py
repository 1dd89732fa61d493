"""python -m rackline."""

import sys

from rackline.interface.cli import main

sys.exit(main())
