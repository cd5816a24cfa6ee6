"""HTML made of texts that may hold anything: what isn't `Html` is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from medcycle.report.metrics import Metric

__all__ = ["Html", "about", "definitions", "element", "joined", "script_json", "table", "term"]

VOID = ("img", "input", "meta", "br")


class Html(str):
    """HTML that is as it should be."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str | int | bool | None) -> Html:
    """An element.

    Args:
        tag: its name.
        content: what is in it, escaped unless it is `Html`.
        attributes: by name; underscores become hyphens, one at the end goes. True is an attribute without a value; None
            and False are left out.

    >>> element("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    """
    opened = [tag]
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            opened.append(name)
        elif value is not None and value is not False:
            opened.append(f'{name}="{html.escape(str(value))}"')
    start = f"<{' '.join(opened)}>"
    return Html(start if tag in VOID else f"{start}{joined(content)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """Parts one after the other, escaped unless they are `Html`."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], class_: str = "") -> Html:
    """A table whose first column names the rows; nothing if there are no rows."""
    if not rows:
        return Html("")
    head = joined(element("th", heading, scope="col") for heading in headings)
    body = [
        element("tr", element("th", row[0], scope="row"), joined(element("td", cell) for cell in row[1:]))
        for row in rows
    ]
    made = element("table", element("caption", caption), element("thead", element("tr", head)), element("tbody", *body))
    return element("div", made, class_=f"scroll {class_}".strip(), tabindex=0, role="region", aria_label=caption)


def term(name: str, metric: Metric, text: str | None = None) -> Html:
    """A metric's name whose meaning is shown when it has the pointer or the focus."""
    return element("span", text or metric.label, class_="term", tabindex=0, aria_describedby=_id(name))


def about(name: str, metric: Metric) -> Html:
    """A small button beside a metric's name that shows its meaning."""
    label = f"About {metric.label}"
    return element("button", "?", type="button", class_="term about", aria_label=label, aria_describedby=_id(name))


def _id(name: str) -> str:
    """The id of a metric's definition."""
    return "about-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def definitions(metrics: dict[str, Metric]) -> Html:
    """What the terms of a page mean, as a list."""
    items = [
        joined([element("dt", metric.title), element("dd", metric.explanation, id=_id(name))])
        for name, metric in metrics.items()
    ]
    return element("dl", *items, class_="definitions")


def script_json(value: Any) -> Html:
    """JSON that can stand in a script element: nothing in it ends the element, or a line of JavaScript."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(text)
