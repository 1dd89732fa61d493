"""`python -m rackline`."""

from rackline.interface.cli import main

if __name__ == "__main__":
    main()
