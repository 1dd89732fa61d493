"""`python -m rackline`."""

import sys

from rackline.interface.cli import main

if __name__ == "__main__":
    sys.exit(main())
