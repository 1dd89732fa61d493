"""What every test starts from."""

import os

# the terminal of whoever runs the tests decides nothing
for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "RACKLINE_DEBUG"):
    os.environ.pop(name, None)
