"""Equations as MathML when the manual is built: browsers show it, and no script is fetched."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.DOTALL)


def on_page_content(text: str, **_: Any) -> str:
    """What mkdocs calls with every page's HTML."""
    text = INLINE.sub(lambda found: convert(html.unescape(found[1]), display="inline"), text)
    return BLOCK.sub(lambda found: convert(html.unescape(found[1]), display="block"), text)
