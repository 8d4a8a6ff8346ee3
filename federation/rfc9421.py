"""The newer form of signed requests: HTTP Message Signatures.

https://www.rfc-editor.org/rfc/rfc9421. Headers are covered as they stand: the parameters `sf`,
`key`, `bs`, `tr` and `req` of a component are refused, since nobody in the fediverse sends them
and each would be one more way to read the same header differently.
"""

import re
from base64 import b64encode
from datetime import datetime
from urllib.parse import quote, unquote_plus

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import claims, digests, keys, structured
from federation.claims import Message, Signer, Stamp
from federation.errors import BadSignature
from federation.structured import InnerList, Item, Parameters

LABEL = "sig1"
MOST_LABELS = 3
FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
DERIVED = frozenset({
    "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query",
})  # fmt: skip
QUERY_PARAM = "@query-param"


def parse(signature_input: str, signature: str) -> tuple[Stamp, ...]:
    """Read the values of Signature-Input and Signature: one stamp for each label.

    Raises Malformed when one of them is not a structured field, BadSignature when the two do not
    pair or one of them says something that we do not accept.
    """
    inputs = structured.dictionary(signature_input)
    signatures = structured.dictionary(signature)
    if not inputs or inputs.keys() != signatures.keys():
        raise BadSignature("the labels of Signature-Input and Signature do not pair")
    if len(inputs) > MOST_LABELS:
        raise BadSignature(f"more than {MOST_LABELS} signatures")
    return tuple(_stamp(member, signatures[label]) for label, member in inputs.items())


def _stamp(described: structured.Member, signed: structured.Member) -> Stamp:
    if not isinstance(described, InnerList):
        raise BadSignature("the signature does not list what it covers")
    if not isinstance(signed, Item) or not isinstance(signed.value, bytes):
        raise BadSignature("the signature is not a byte sequence")
    covered = tuple(_component(item) for item in described.items)
    if len(set(covered)) != len(covered):
        raise BadSignature("a component is covered twice")
    key_id = _text(described.parameters, "keyid")
    if not key_id:
        raise BadSignature("the signature has no keyid")
    return Stamp(
        key_id=key_id,
        covered=covered,
        signature=signed.value,
        algorithm=_text(described.parameters, "alg"),
        created=_seconds(described.parameters, "created"),
        expires=_seconds(described.parameters, "expires"),
        parameters=structured.write_inner_list(described),
    )


def _component(item: Item) -> str:
    """The name of a covered component, with the parameter that belongs to it."""
    name = item.value
    if not isinstance(name, str):
        raise BadSignature("the name of a component is not a text")
    if name == QUERY_PARAM:
        if set(item.parameters) != {"name"} or not isinstance(item.parameters["name"], str):
            raise BadSignature(f"{QUERY_PARAM} needs a name and nothing else")
        return f'"{name}"{structured.write_parameters(item.parameters)}'
    if name.startswith("@"):
        if name not in DERIVED:
            raise BadSignature(f"{name} is not a component of a request")
    elif not FIELD.fullmatch(name):
        raise BadSignature("the name of a component is not that of a header in lower case")
    if item.parameters:
        raise BadSignature(
            f"the parameter {next(iter(item.parameters))} of {name} is not supported"
        )
    return f'"{name}"'


def _text(parameters: Parameters, name: str) -> str | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise BadSignature(f"{name} is not a text")
    return value


def _seconds(parameters: Parameters, name: str) -> int | None:
    value = parameters.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise BadSignature(f"{name} is not a number of seconds")
    return value


def base(stamp: Stamp, message: Message) -> bytes:
    """The text that was signed (section 2.5). Raises BadSignature when a part is not there."""
    lines = [f"{component}: {_value(component, message)}" for component in stamp.covered]
    lines.append(f'"@signature-params": {stamp.parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as error:
        raise BadSignature("a signed part is not ASCII") from error


def _value(component: str, message: Message) -> str:
    name = component.split('"', 2)[1]
    if not name.startswith("@"):
        return claims.field(message, name)
    target = claims.target(message.url)
    match name:
        case "@method":
            return message.method
        case "@target-uri":
            return message.url
        case "@authority":
            return target.authority
        case "@scheme":
            return target.scheme
        case "@request-target":
            return target.path + target.query
        case "@path":
            return target.path
        case "@query":
            return target.query or "?"
        case _:
            return _query_param(target.query, component.split('"')[3])


def _query_param(query: str, name: str) -> str:
    """The one parameter called `name`, both decoded and written anew (section 2.2.8)."""
    found = []
    for pair in query.removeprefix("?").split("&"):
        key, _, value = pair.partition("=")
        if pair and _encode(key) == name:
            found.append(_encode(value))
    if len(found) != 1:
        raise BadSignature(f"the query does not have exactly one {name}")
    return found[0]


def _encode(text: str) -> str:
    decoded = unquote_plus(text, errors="replace")
    return quote(decoded, safe="*", errors="replace").replace("~", "%7E")


def sign(
    method: str,
    url: str,
    *,
    signer: Signer,
    now: datetime,
    body: bytes | None,
    content_type: str | None,
) -> dict[str, str]:
    """All headers of a signed request; see `signatures.sign`."""
    created = int(now.timestamp())
    headers = {"Host": claims.target(url).authority, "Date": claims.date(created)}
    if content_type is not None:
        headers["Content-Type"] = content_type
    names = '"@method" "@target-uri"'
    text = f'"@method": {method}\n"@target-uri": {url}\n'
    if body is not None:
        headers["Content-Digest"] = digests.content_digest(body)
        names += ' "content-digest"'
        text += f'"content-digest": {headers["Content-Digest"]}\n'
    algorithm = "ed25519" if isinstance(signer.key, Ed25519PrivateKey) else "rsa-v1_5-sha256"
    parameters = f'({names});created={created};keyid="{signer.key_id}";alg="{algorithm}"'
    text += f'"@signature-params": {parameters}'
    headers["Signature-Input"] = f"{LABEL}={parameters}"
    signature = b64encode(keys.sign(signer.key, text.encode())).decode()
    headers["Signature"] = f"{LABEL}=:{signature}:"
    return headers
