"""A browser in the town: it keeps cookies, reads forms from the page it is on, and sends them as
browsers do."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin

from actors import accounts
from storage import actors
from storage.database import Transaction
from tests.town.school import HTML, Person, Reply, TownSchool

FORM = "application/x-www-form-urlencoded"


@dataclass
class PageForm:
    """One form of a page, with what stands in it before anybody types."""

    action: str
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)


class _Forms(HTMLParser):
    """Finds the forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[PageForm] = []
        self._inside = False
        self._writing: str | None = None
        self._choosing: str | None = None
        self._pressing = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.found.append(PageForm(given.get("action", ""), given.get("method", "get").lower()))
        if not self._inside:
            return
        fields = self.found[-1].fields
        name = given.get("name", "")
        if tag == "input" and name:
            ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if ticked:
                fields.append((name, given.get("value", "on" if "checked" in given else "")))
        elif tag == "textarea" and name:
            self._writing = name
            fields.append((name, ""))
        elif tag == "select":
            self._choosing = name
        elif tag == "option" and self._choosing and "selected" in given:
            fields.append((self._choosing, given.get("value", "")))
        elif tag == "button":
            self._pressing = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self._writing = None
        elif tag == "select":
            self._choosing = None
        elif tag == "button":
            self._pressing = False

    def handle_data(self, data: str) -> None:
        if self._writing is not None:
            fields = self.found[-1].fields
            name, before = fields.pop()
            # HTML drops the first line end in a textarea.
            fields.append((name, before + (data if before else data.removeprefix("\n"))))
        elif self._pressing and self._inside:
            self.found[-1].buttons.append(data.strip())


class Browser:
    """Somebody at a computer, at one school. `page` is what they look at, `path` where it is."""

    def __init__(self, school: TownSchool) -> None:
        self.school = school
        self.cookies: dict[str, str] = {}
        self.path = "/"
        self.page: Reply

    @property
    def forms(self) -> list[PageForm]:
        """The forms of the page."""
        return _Forms(self.page.text).found

    async def open(self, path: str, *, status: int = 200) -> str:
        """Go to a page, and wherever it leads; answers its text."""
        self.page = await self._request("GET", path)
        self.path = path
        await self._follow()
        assert self.page.status == status, (self.page.status, self.page.text)
        return self.page.text

    async def submit(
        self,
        action: str,
        *,
        status: int = 200,
        follow: bool = True,
        **typed: str | list[str] | None,
    ) -> str:
        """Fill in the form of the page that leads to `action`, and send it; answers the text.

        None unticks or empties a field. `follow=False` stays at the redirect (303).
        """
        return await self.send(action, self.filled(action, **typed), status=status, follow=follow)

    def filled(self, action: str, **typed: str | list[str] | None) -> list[tuple[str, str]]:
        """What that form of the page sends."""
        form = next(form for form in self.forms if form.action == action)
        assert form.method == "post"
        fields = [(name, value) for name, value in form.fields if name not in typed]
        for name, value in typed.items():
            values = value if isinstance(value, list) else [] if value is None else [value]
            fields += [(name, one) for one in values]
        return fields

    async def send(
        self,
        action: str,
        fields: list[tuple[str, str]],
        *,
        status: int = 200,
        follow: bool = True,
        headers: dict[str, str] | None = None,
    ) -> str:
        """POST those fields, as this browser would from a page of the school."""
        sent = {"Origin": self.school.url, "Sec-Fetch-Site": "same-origin"}
        self.page = await self._request(
            "POST",
            action,
            body=urlencode(fields).encode(),
            headers={"Content-Type": FORM, **(sent if headers is None else headers)},
        )
        self.path = action
        if follow:
            await self._follow()
        wanted = status if follow else 303
        assert self.page.status == wanted, (self.page.status, self.page.text)
        return self.page.text

    async def sign_in(self, username: str, password: str, *, status: int = 200) -> str:
        """Through the form on the sign-in page."""
        await self.open("/sign-in")
        return await self.submit("/sign-in", status=status, username=username, password=password)

    async def enter(self, person: Person) -> None:
        """Be signed in as that person, without the time that a password takes."""

        def begin(tx: Transaction) -> str:
            actor = actors.by_id(tx, person.id)
            assert actor is not None
            return accounts.begin_session(tx, actor)

        self.cookies["__Host-session"] = await self.school.write(begin)

    async def _follow(self) -> None:
        for _ in range(5):
            if self.page.status not in (301, 302, 303, 307, 308):
                return
            there = urljoin(self.school.url + self.path, self.page.headers["Location"])
            assert there.startswith(f"{self.school.url}/"), there
            self.path = there.removeprefix(self.school.url)
            self.page = await self._request("GET", self.path)
        raise AssertionError("this leads in a circle")

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = {"Accept": HTML, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = path if path.startswith("https:") else self.school.url + path.partition("#")[0]
        reply = await self.school.request(method, url, headers=sent, body=body)
        for line in reply.headers.getall("Set-Cookie", []):
            self._keep(line)
        return reply

    def _keep(self, line: str) -> None:
        for name, cookie in SimpleCookie(line).items():
            ended = cookie["max-age"] == "0" or not cookie.value
            if name.startswith("__Host-"):
                assert cookie["secure"], line
                assert cookie["path"] == "/", line
                assert not cookie["domain"], line
            if ended:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.value
