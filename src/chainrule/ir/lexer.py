"""The words of a graph's text, one at a time, and the errors that name their place."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NoReturn

from chainrule.errors import GraphError, message

_WORDS: Final = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
    |(?P<value>%[0-9]+)
    |(?P<array>@[A-Za-z0-9_]+)
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<float>-?(?:[0-9]+\.[0-9]*(?:e[-+]?[0-9]+)?|[0-9]+e[-+]?[0-9]+|inf\b|nan\b))
    |(?P<int>-?[0-9]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<opaque><[^<>\n]*>)
    |(?P<mark>[][(){},:=~])
    |(?P<stray>.)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)


class Word(NamedTuple):
    """A word, its kind (the name of its pattern, or `end`), and where it starts."""

    kind: str
    text: str
    start: int


class Lexer:
    """Reads a text word by word; blanks and comments (`#` to the end of the line) only separate words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._matches = _WORDS.finditer(text)
        self.next = self._read()

    def take(self) -> Word:
        """The next word, which is passed."""
        word = self.next
        self.next = self._read()
        return word

    def skip(self, text: str) -> bool:
        """Passes the next word if it is this one; whether it was."""
        found = self.next.text == text
        if found:
            self.take()
        return found

    def expect(self, text: str) -> Word:
        """The next word, which must be this one."""
        return self.take() if self.next.text == text else self.fail(f"`{text}`", self.next)

    def expect_kind(self, kind: str, what: str) -> Word:
        """The next word, which must be of this kind."""
        return self.take() if self.next.kind == kind else self.fail(what, self.next)

    def fail(
        self, expected: str, word: Word, got: str = "", hint: str = "", cause: Exception | None = None
    ) -> NoReturn:
        """Raises a GraphError that names the word's line and column; `got` where that is not the word itself."""
        line = self.text.count("\n", 0, word.start) + 1
        column = word.start - self.text.rfind("\n", 0, word.start)
        found = got or (f"`{word.text}`" if word.kind != "end" else "the end of the text")
        raise GraphError(message(expected, f"{found} at line {line}, column {column}", hint=hint)) from cause

    def _read(self) -> Word:
        for match in self._matches:
            kind = match.lastgroup or ""
            if kind != "blank":
                return Word(kind, match.group(), match.start())
        return Word("end", "", len(self.text))
