"""crane, oras and skopeo, which move images too: from PATH, or where `scripts/peers` puts them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from shipit.model.digest import Digest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipit" / "peers"


def find(name: str) -> str:
    """The program's path; "" where it is not installed."""
    return shutil.which(name) or shutil.which(name, path=str(_CACHE)) or ""


def copies(
    peer: str, source: str, digest: Digest, vouchers: Sequence[Digest], target: str
) -> list[list[str]]:
    """The command lines that copy an image with what vouches for it to `target`, under the tag v1.

    oras knows referrers; with crane and skopeo somebody has to name each of them.
    """
    program = find(peer)
    image, tagged = f"{source}@{digest}", f"{target}:v1"
    if peer == "oras":
        recursive = ["--recursive"] if vouchers else []
        return [[program, "cp", "--no-tty", *recursive, image, tagged]]
    each = [(f"{source}@{d}", f"{target}@{d}") for d in vouchers]
    if peer == "crane":
        return [[program, "copy", a, b] for a, b in [(image, tagged), *each]]
    # skopeo has no destination by digest: a tag for each.
    named = [(a, f"{target}:{b.rpartition(':')[2][:40]}") for a, b in each]
    options = ["copy", "--quiet", "--all", "--preserve-digests"]
    return [
        [program, *options, f"docker://{a}", f"docker://{b}"] for a, b in [(image, tagged), *named]
    ]
