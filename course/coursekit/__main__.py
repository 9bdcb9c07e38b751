"""Bring what was recorded up to date.

python -m coursekit record         merge the last runs' verdicts into claims.toml
python -m coursekit record-peers   run the programs of peers/ in their own libraries
"""

from __future__ import annotations

import sys

from . import claims, peers


def main(arguments: list[str]) -> int:
    if arguments == ["record"]:
        changed = claims.record()
        print(f"claims.toml: {', '.join(changed)} changed" if changed else "no change")
    elif arguments == ["record-peers"]:
        written = peers.record()
        print(f"written: {', '.join(written) or 'nothing, no peer is installed'}")
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
