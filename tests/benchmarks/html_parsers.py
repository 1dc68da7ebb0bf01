"""Seconds that HTML-to-text takes on hostile input, for 20 and 80 kB: ours, the standard library's, and selectolax if installed."""

from __future__ import annotations

import html.parser
import time
from collections.abc import Callable

from contact_reasons.text import html_to_text

SHAPES = {
    "paragraphs": "<p>my parcel</p>",
    "unclosed tags": "<a ",
    "unclosed comments": "<p><!--",
    "nesting": "<div>",
    "closers": "</",
}


class _Text(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def standard(text: str) -> str:
    parser = _Text()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)


def main() -> None:
    peers: dict[str, Callable[[str], object]] = {"contact_reasons": html_to_text, "html.parser": standard}
    try:
        from selectolax.lexbor import LexborHTMLParser

        peers["selectolax"] = lambda text: LexborHTMLParser(text).text()
    except ImportError:
        print("selectolax is not installed; it is left out")
    for shape, unit in SHAPES.items():
        for name, parse in peers.items():
            seconds = []
            for size in (20_000, 80_000):
                text = unit * (size // len(unit))
                start = time.perf_counter()
                parse(text)
                seconds.append(time.perf_counter() - start)
            print(f"{shape:20} {name:16} {seconds[0]:9.4f} s {seconds[1]:9.4f} s")


if __name__ == "__main__":
    main()
