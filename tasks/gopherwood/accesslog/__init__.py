"""The access log of serving: what a line is, where files of lines lie, and how they are read.

Serving writes it (gopherwood_serving/access.py), `usage` counts it, a load replay plays it. A line is one JSON object
with the fields of `Line`, described for others by line.schema.json. It tells of a request for a module what the route
says, never the client's own words: no query, no header, and no address unless a setting asks for it.
"""

from gopherwood.accesslog.agents import AGENTS, UNCOUNTED, agent_class
from gopherwood.accesslog.files import File, FileName, files, files_of_day, open_logs
from gopherwood.accesslog.line import SCHEMA, Line, Reading, lines, lines_between, parse, time_text

__all__ = [
    "AGENTS",
    "SCHEMA",
    "UNCOUNTED",
    "File",
    "FileName",
    "Line",
    "Reading",
    "agent_class",
    "files",
    "files_of_day",
    "lines",
    "lines_between",
    "open_logs",
    "parse",
    "time_text",
]
