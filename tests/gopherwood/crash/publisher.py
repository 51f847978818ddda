"""One publish of what is valid below GOPHERWOOD_HOME, to be killed: prints the kind of error it ends with."""

import os
import sys

from gopherwood import publish
from gopherwood.config import Settings
from gopherwood.errors import GopherwoodError

if "--no-fsync" in sys.argv:
    os.fsync = lambda _: None

try:
    publish.run(Settings.from_env())
except GopherwoodError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(error.exit_code)
