"""Entry point of the command ``contact-reasons``; says how to get the command line where it is not installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from contact_reasons.cli import app
    except ModuleNotFoundError as exc:
        if exc.name not in ("typer", "rich"):
            raise
        sys.exit("The command line needs two more packages: pip install 'contact-reasons[cli]'")
    app()


if __name__ == "__main__":
    main()
