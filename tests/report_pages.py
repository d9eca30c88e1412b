"""Pages of reports, taken apart."""

import csv
import io
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text of every element with an id."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.text = html, [], ""
        self.sections, self._at = {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._at = dict(attrs)["id"]

    def handle_data(self, data):
        self.text += data
        self.sections[self._at] = self.sections.get(self._at, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, name):
        """A table's rows, as its export has them."""
        (found,) = [a for a in self.all("table") if a.get("data-name") == name]
        return list(csv.DictReader(io.StringIO(found["data-csv"])))
