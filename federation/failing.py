"""Why a server could not be had, in words for whoever runs a school.

The library names its own classes and quotes the machine; people read this on a command line and
beside a lane that waits.
"""

import errno
import os

import aiohttp

from federation.posting import NotHttp

_LONGEST = 300
_BY_NUMBER = {
    errno.ECONNREFUSED: "nobody answers at this address: the connection was refused",
    errno.ECONNRESET: "it hung up before it answered",
    errno.EPIPE: "it hung up before it answered",
    errno.EHOSTUNREACH: "there is no way to this address from here",
    errno.ENETUNREACH: "there is no way to this address from here",
    errno.ETIMEDOUT: "nobody answers at this address: the connection took too long",
}


def reason(error: aiohttp.ClientError | OSError) -> str:
    """One line, without the name of any class."""
    return " ".join(_told(error).split())[:_LONGEST]


def _told(error: aiohttp.ClientError | OSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name leads to no address: it may be misspelt, or the name server is away"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        what = getattr(error.certificate_error, "verify_message", "") or "it cannot be checked"
        return f"its certificate is not to be trusted: {what}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no secure connection (TLS) can be made with it"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy of this school cannot be reached: {_system(error)}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy of this school answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError | NotHttp):
        return "what it answers is not HTTP"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it hung up before it answered"
    if isinstance(error, TimeoutError):
        return "nobody answers at this address: the connection took too long"
    if isinstance(error, OSError):
        return _system(error)
    return "no connection can be made with it"


def _system(error: OSError) -> str:
    """What the operating system says, which the library has packed in a sentence of its own."""
    number = error.errno
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if number is not None and number > 0:
        return os.strerror(number).lower()
    return "no connection can be made with it"
