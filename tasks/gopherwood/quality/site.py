"""stub"""


def write(settings, catalog, checked):
    return ""
