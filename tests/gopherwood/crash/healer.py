"""One scrub of the whole store below GOPHERWOOD_HOME, to be killed: it finds one damaged zip, and heals it."""

import sys
import threading

from gopherwood.audit import scrub
from gopherwood.config import Settings

sys.exit(scrub.run(Settings.from_env(), everything=True, stop=threading.Event()).exit_code)
