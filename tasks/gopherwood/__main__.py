"""`python -m gopherwood` is `gopherwood`."""

import sys

from gopherwood.cli import main

if __name__ == "__main__":
    sys.exit(main())
