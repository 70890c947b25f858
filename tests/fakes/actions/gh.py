"""GitHub's command line, as far as it reads and writes the comments of a pull request.

`gh api`: the comments are a list in the JSON file that GH_COMMENTS names; `--jq` is jq itself. Each
answer of the list is a page of its own, as `--paginate` goes through them.
"""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

Comments = list[dict[str, Any]]


def main(words: list[str]) -> int:
    assert words[0] == "api"
    file = Path(os.environ["GH_COMMENTS"])
    comments: Comments = json.loads(file.read_text())
    (path,) = (word for word in words if word.startswith("repos/acme/shop/issues/"))
    options = dict(pairwise(words))
    method = options.get("--method", "GET")
    if method == "GET":
        _show(comments, options["--jq"], all_of_them="--paginate" in words)
        return 0
    body = Path(options["--field"].removeprefix("body=@")).read_text()
    if method == "POST":
        assert path.endswith("/7/comments")
        number = 1 + max((one["id"] for one in comments), default=0)
        comments.append({"id": number, "user": {"login": "github-actions[bot]"}, "body": body})
    else:
        (there,) = (one for one in comments if path.endswith(f"/comments/{one['id']}"))
        there["body"] = body
    file.write_text(json.dumps(comments))
    return 0


def _show(comments: Comments, query: str, *, all_of_them: bool) -> None:
    for comment in comments if all_of_them else comments[:1]:
        page = json.dumps([comment])
        done = subprocess.run(
            ["jq", "--raw-output", query], input=page, capture_output=True, text=True, check=True
        )
        sys.stdout.write(done.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
