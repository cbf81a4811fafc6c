"""Two languages on the command line: Russian where the terminal is Russian, else English."""

import os


def both(russian: str, english: str) -> str:
    """Return what people of this terminal read."""
    language = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return russian if language.lower().startswith("ru") else english
