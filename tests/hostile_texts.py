"""Texts that make careless cleaning slow."""

from __future__ import annotations

HOSTILE_TEXTS = {
    "open angles": "<", "unclosed attributes": '<p a="', "attributes": "<p" + 1000 * " a=b", "unclosed tags": "<a ", "unclosed comments": "<p><!--", "nested tags": "<div>", "quotes": "> x\n",
    "wrote lines": "On Tue wrote:\n", "quoted wrote lines": "On Tue Shop wrote:\n> x\n", "underscores": "1_", "headers": "From: a\nSent: b\n", "digits": "1 ", "codes": "a1-", "mails": "a@a.", "turns": "Agent: a\nb: c\n",
    "spaces": " ", "lines": "\n", "dashes": "-", "entities": "&", "legal": "confidential intended recipient in error\n", "emoji": "😀", "unclosed scripts": "<script>", "long words": "w", "addresses": "<x@y> ", "nul": "\0",
}  # fmt: skip
"""What each is made of, over and over."""

ONCE_HUNG = ["order 1" + "_" * 5000 + "-", "1_-" * 5000, "a1" + "/" * 5000, "#" + "1-" * 5000, "&#" + "9" * 9000 + ";", "<p>&#" + "9" * 9000 + ";</p>"]  # fmt: skip
"""Texts on which cleaning once hung or broke."""
