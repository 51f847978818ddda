"""One `gopherwood VERB ...`, to be killed: prints the kind of error it ends with."""

import sys

from gopherwood import cli

sys.exit(cli.main([*sys.argv[1:], "--json"]))
