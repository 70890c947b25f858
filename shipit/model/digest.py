"""Content digests (OCI image specification, descriptor.md, "Digests")."""

import hashlib
import re
from typing import Self

_FORMS = {"sha256": re.compile(r"[0-9a-f]{64}"), "sha512": re.compile(r"[0-9a-f]{128}")}


class Digest:
    """`sha256:` and 64 lower-case hex digits (or `sha512:` and 128). Not a string: a type."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Raises ValueError when `text` is not a digest of a registered algorithm."""
        algorithm, colon, encoded = text.partition(":")
        form = _FORMS.get(algorithm)
        if not colon or form is None:
            raise ValueError(f"{text!r} is not a digest: it starts with sha256: (or sha512:)")
        if not form.fullmatch(encoded):
            size = 64 if algorithm == "sha256" else 128
            raise ValueError(
                f"{text!r} is not a digest: {algorithm} has {size} lower-case hex digits"
            )
        self._text = text

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """The digest of `content`. Raises ValueError for an algorithm that is not registered."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self._text.partition(":")[0]

    @property
    def hex(self) -> str:
        return self._text.partition(":")[2]

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Digest({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and other._text == self._text

    def __lt__(self, other: "Digest") -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return hash(self._text)
