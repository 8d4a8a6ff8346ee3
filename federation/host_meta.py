"""The older way to say who answers for a host: an XRD document with a template.

Some hosts have only pages and name here the server that their people live on.
https://www.rfc-editor.org/rfc/rfc6415
"""

from typing import Final
from xml.etree import ElementTree

from federation import addresses
from federation.addresses import Rules
from federation.errors import Malformed

MEDIA_TYPE: Final = "application/xrd+xml"
LARGEST: Final = 64 * 1024
"""Bytes; these documents have a few hundred."""

_LINK: Final = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link"
_LRDD: Final = "lrdd"
_BY_PREFERENCE: Final = ("application/jrd+json", "application/json", None, MEDIA_TYPE)


def template(body: bytes, rules: Rules) -> str:
    """The address to ask, with `{uri}` where the handle goes; the one that speaks JSON, if several.

    Raises Malformed where there is none that could be asked.
    """
    found: list[tuple[int, str]] = []
    for link in _parsed(body).iter(_LINK):
        written, media_type = link.get("template"), link.get("type")
        if link.get("rel") == _LRDD and written and media_type in _BY_PREFERENCE:
            found.append((_BY_PREFERENCE.index(media_type), written))
    if not found:
        raise Malformed("host-meta names nobody to ask")
    _, written = min(found, key=lambda one: one[0])
    if written.count("{uri}") != 1:
        raise Malformed("host-meta does not say where the handle goes")
    addresses.parse(written.replace("{uri}", "acct:name"), rules)
    return written


def _parsed(body: bytes) -> ElementTree.Element:
    """The document, without declarations: nothing in it can grow, or lead to a file."""
    try:
        text = body.decode()
        if "<!" in text.replace("<!--", ""):
            raise Malformed("host-meta declares things of its own")
        return ElementTree.fromstring(text)  # noqa: S314  what it warns of is refused above
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise Malformed(f"host-meta cannot be read: {error}") from None
