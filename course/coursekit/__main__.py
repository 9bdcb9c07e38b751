"""`python -m coursekit record`: merge the last runs' verdicts into claims.toml."""

from __future__ import annotations

import sys

from .claims import record


def main(arguments: list[str]) -> int:
    if arguments != ["record"]:
        print(__doc__)
        return 2
    changed = record()
    print(
        f"claims.toml: {', '.join(changed)} changed" if changed else "nothing changed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
