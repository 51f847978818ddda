"""The five dashboards: what an operator looks at first, and the four places where it then leads."""

from gopherwood_dashboards.boards.load import LOAD
from gopherwood_dashboards.boards.nodes import NODES
from gopherwood_dashboards.boards.overview import OVERVIEW
from gopherwood_dashboards.boards.pipeline import PIPELINE
from gopherwood_dashboards.boards.trust import TRUST

BOARDS = (OVERVIEW, PIPELINE, TRUST, NODES, LOAD)
