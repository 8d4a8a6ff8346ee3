"""Statements that run again and again are put into words once.

SQLAlchemy builds the text of a statement once too, and then still spends several times on each
run what SQLite takes to answer it. So a statement that a module keeps and runs often (`_BY_URI`)
is remembered here with its text, the places of its values and how they are converted: from its
third run on it goes straight to the driver. What is built anew for each run, and what needs more
than text and values, goes through SQLAlchemy as ever. Answers are SQLAlchemy's own either way,
errors too, and whoever listens to statements hears of all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVarTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ClauseElement, Connection, CursorResult, Row
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

Ts = TypeVarTuple("Ts")
Values = Mapping[str, Any]
Parameters = Values | Sequence[Values]
Convert = Callable[[Any], Any]

# Runs before a statement counts as one that is kept.
OFTEN = 2
# Texts remembered of one statement: it differs with the values given, and the lengths of lists.
MOST_TEXTS = 64
# Lists up to this length are filled up to the next of a few lengths, with what they hold already.
FILLED_UP = 1_024


class Answer(IteratorResult[*Ts]):
    """The rows of a statement that went straight to the driver, and how many it changed."""

    rowcount: int

    def __init__(self, metadata: SimpleResultMetaData, rows: Iterator[Any], rowcount: int) -> None:
        super().__init__(metadata, rows)
        self.rowcount = rowcount

    def first(self) -> Any:
        """The first row or None; the others are let go. By far the most frequent question."""
        row = next(self.iterator, None)
        self._soft_close(hard=True)
        if row is None:
            return None
        known = self._metadata
        return Row(known, known._processors, known._key_to_index, row)


@dataclass(slots=True)
class Place:
    """Where one value of a text comes from: a parameter, or one of the list that it is."""

    name: str | None  # None: it is always `value`
    number: int | None
    value: Any
    convert: Convert | None


@dataclass(slots=True)
class Text:
    """The text of a statement for lists of certain lengths, and the places in it."""

    sql: str
    places: list[Place]
    names: list[str] | None  # where the driver wants names

    def bound(self, values: Values) -> Any:
        found = []
        for place in self.places:
            if place.name is None:
                found.append(place.value)
                continue
            value = values[place.name]
            if place.number is not None:
                value = value[place.number]
            found.append(value if place.convert is None else place.convert(value))
        return tuple(found) if self.names is None else dict(zip(self.names, found, strict=True))


@dataclass(slots=True)
class Prepared:
    """A statement for one engine and one set of parameters."""

    compiled: SQLCompiler
    dialect: Dialect
    lists: tuple[str, ...]  # parameters that are lists
    returns: bool
    changes: bool  # it writes
    texts: dict[tuple[int, ...], Text] = field(default_factory=dict)
    metadata: SimpleResultMetaData | None = None

    def run(self, connection: Connection, values: Values) -> Answer[*tuple[Any, ...]]:
        try:
            if self.lists:
                values = self._filled_up(values)
            text = self._text(values)
            bound = text.bound(values)
        except Exception as error:
            _told_by_sqlalchemy(connection, error, str(self.compiled), None)
        return self._execute(connection, text.sql, bound, many=False)

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> Answer[*tuple[Any, ...]]:
        try:
            text = self._text(rows[0])
            bound = [text.bound(values) for values in rows]
        except Exception as error:
            _told_by_sqlalchemy(connection, error, str(self.compiled), None)
        return self._execute(connection, text.sql, bound, many=True)

    def _execute(
        self, connection: Connection, sql: str, bound: Any, *, many: bool
    ) -> Answer[*tuple[Any, ...]]:
        cursor = connection.connection.cursor()
        for listener in connection.dispatch.before_cursor_execute:
            sql, bound = listener(connection, cursor, sql, bound, None, many)
        try:
            if many:
                cursor.executemany(sql, bound)
            else:
                cursor.execute(sql, bound)
            if not self.returns:
                changed = cursor.rowcount
                cursor.close()
                return Answer(_NOTHING, iter(()), changed)
            if self.metadata is None:
                self.metadata = self._described(cursor.description)
            # Only when the last row is there is it known how many were changed.
            rows: Any = cursor.fetchall() if self.changes else cursor
            return Answer(self.metadata, iter(rows), cursor.rowcount)
        except Exception as error:
            is_drivers = isinstance(error, self.dialect.loaded_dbapi.Error)
            _told_by_sqlalchemy(connection, error, sql if is_drivers else None, cursor)

    def _described(self, description: Sequence[Any]) -> SimpleResultMetaData:
        columns = self.compiled._result_columns
        if len(columns) != len(description):
            raise RuntimeError(f"{len(columns)} columns were asked for, {len(description)} came")
        converts = [
            column.type._cached_result_processor(self.dialect, said[1])
            for column, said in zip(columns, description, strict=True)
        ]
        return SimpleResultMetaData(
            [column.keyname for column in columns],
            _processors=converts if any(converts) else None,
        )

    def _filled_up(self, values: Values) -> Values:
        """The lists in a few lengths only, so that there are few texts: after IN it makes no
        difference that something stands there twice."""
        filled = dict(values)
        for name in self.lists:
            given = list(values[name])
            if 2 < len(given) <= FILLED_UP:
                given += [given[-1]] * (_length(len(given)) - len(given))
            filled[name] = given
        return filled

    def _text(self, values: Values) -> Text:
        lengths = tuple([len(values[name]) for name in self.lists])
        text = self.texts.get(lengths)
        if text is None:
            text = self._worded(values)
            if len(self.texts) < MOST_TEXTS:
                self.texts[lengths] = text
        return text

    def _worded(self, values: Values) -> Text:
        compiled = self.compiled
        every = compiled.construct_params(dict(values), escape_names=False)
        converts: dict[str, Any] = dict(compiled._bind_processors)
        sql, order = compiled.string, list(compiled.positiontup or ())
        parts: dict[str, tuple[str, int]] = {}
        if compiled.post_compile_params:
            expanded = compiled._process_parameters_for_postcompile(every)
            sql, order = expanded.statement, list(expanded.positiontup or ())
            converts |= expanded.processors
            parts = {
                part: (name, number)
                for name, names in expanded.parameter_expansion.items()
                for number, part in enumerate(names)
            }
        places = {
            name: self._place(name, parts.get(name), values, every, converts.get(name))
            for name in (order if compiled.positional else every)
        }
        if compiled.positional:
            return Text(sql, [places[name] for name in order], None)
        escaped = compiled.escaped_bind_names
        return Text(sql, list(places.values()), [escaped.get(name, name) for name in places])

    def _place(
        self,
        name: str,
        part: tuple[str, int] | None,
        values: Values,
        every: Values,
        convert: Convert | None,
    ) -> Place:
        of_list, number = (name, None) if part is None else part
        parameter = self.compiled.binds[of_list]
        for given in (parameter.key, of_list):
            if given in values:
                return Place(given, number, None, convert)
        value = every[name]
        return Place(None, None, value if convert is None else convert(value), None)


_NOTHING = SimpleResultMetaData([])
_STEPS = sorted({base << shift for base in (2, 3) for shift in range(10)})


def _length(least: int) -> int:
    return next(step for step in _STEPS if step >= least)


def _told_by_sqlalchemy(
    connection: Connection, error: Exception, sql: str | None, cursor: Any
) -> NoReturn:
    """Raise it as SQLAlchemy does, which also sees whether the connection is lost."""
    connection._handle_dbapi_exception(error, sql, None, cursor, None)


def say(connection: Connection, sql: str) -> None:
    """Tell the driver something that is no question: where a part of a transaction begins or
    ends. Begins the transaction if none runs."""
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        cursor.close()
    except Exception as error:
        _told_by_sqlalchemy(connection, error, sql, cursor)


# --- which statements are kept -------------------------------------------------------------------


class Kept:
    """What is known of one statement: how often it ran, and how it is prepared for whom."""

    __slots__ = ("ready", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.ready: dict[tuple[Any, ...], Prepared | None] = {}


_KEPT: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()


def run(
    connection: Connection, statement: Executable, parameters: Parameters | None
) -> Answer[*tuple[Any, ...]] | CursorResult[*tuple[Any, ...]]:
    """Run a statement with these values, or for each of several rows of values."""
    kept = _KEPT.get(statement)
    if kept is None:
        if isinstance(statement, SelectBase | UpdateBase):
            _KEPT[statement] = kept = Kept()
        else:
            return connection.execute(statement, parameters)
    if kept.runs < OFTEN or not connection.in_transaction():
        kept.runs += 1
        return connection.execute(statement, parameters)  # which also begins one
    rows = None
    if not parameters:
        parameters = {}
    elif not isinstance(parameters, Mapping):
        if len(parameters) > 1:
            rows = parameters
        parameters = parameters[0]
    which = (connection.dialect.name, rows is not None, *parameters)
    try:  # at once: another thread may clear them
        prepared = kept.ready[which]
    except KeyError:
        prepared = _prepare(connection.dialect, statement, parameters, rows is not None)
        if len(kept.ready) >= MOST_TEXTS:
            kept.ready.clear()
        kept.ready[which] = prepared
    if prepared is None:
        return connection.execute(statement, rows or parameters)
    if rows is not None:
        return prepared.run_many(connection, rows)
    return prepared.run(connection, parameters)


def _prepare(
    dialect: Dialect, statement: Executable, values: Values, many: bool
) -> Prepared | None:
    """How a statement is run without SQLAlchemy; None if only that can."""
    if not {*statement.get_execution_options()} <= {"preserve_rowcount"}:
        return None
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect, column_keys=sorted(values), for_executemany=many)
    if not isinstance(compiled, SQLCompiler):
        return None
    needs_more = (
        compiled.insert_prefetch
        or compiled.update_prefetch
        or compiled.implicit_returning
        or compiled.literal_execute_params
        or (many and (compiled._insertmanyvalues or compiled.post_compile_params))
    )
    given = {parameter.key for parameter in compiled.bind_names} | {*compiled.bind_names.values()}
    missing = any(
        parameter.required and parameter.key not in values and name not in values
        for parameter, name in compiled.bind_names.items()
    )
    if needs_more or missing:
        return None
    lists = tuple(
        parameter.key
        for parameter in compiled.post_compile_params
        if parameter.key in values and parameter.key in given
    )
    changes = isinstance(statement, UpdateBase)
    return Prepared(
        compiled=compiled,
        dialect=dialect,
        lists=lists,
        returns=bool(compiled._result_columns),
        changes=changes,
    )
