"""The pydantic adapters of a handler's annotations, built on first use.

It evaluates the annotations of input, meta and result only, never that of ``ctx``; it refuses to let a value into a
message.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import to_json
from pydantic_core.core_schema import ErrorType

from flowli.errors import DefinitionError, ValidationError

__all__ = ["Unwritable", "adapter_of", "dump_json", "issues_of", "refuse"]

_MOST_SHOWN = 5
_WORD = re.compile(r"\w+")
_LABELS = frozenset(("key", "value", "after", "before", "wrap", "constrained", "tagged", "lax", "or", "strict"))
"""Words of pydantic's own in the place of a finding, beside those of the schema: ``constrained-str``, ``[key]``."""
_QUOTING = (
    "value_error",
    "assertion_error",
    "union_tag_invalid",
    "get_attribute_error",
    "mapping_type",
    "iteration_error",
)
_DISCREET = frozenset(get_args(ErrorType)).difference(_QUOTING)
"""The types of finding whose text says what was expected, and does not quote what came."""


class Unwritable(Exception):
    """A value that its annotation cannot turn into JSON. The text says why, never what it holds."""


def adapter_of(handler: Callable[..., Any], parameter: str | None, *, job: str) -> TypeAdapter[Any]:
    """The adapter of one annotation (``"return"`` for the result; None for a handler without input)."""
    if parameter is None:
        return TypeAdapter(None)
    written = _written(handler)
    hint = _annotations(written).get(parameter, Any)
    try:
        if isinstance(hint, str):
            hint = eval(hint, _names(written))
        return TypeAdapter(hint)
    except (NameError, PydanticUndefinedAnnotation) as exc:
        raise DefinitionError(
            f"Job {job!r}: the annotation of {parameter!r} names {exc.name!r}, which is not importable at run time. "
            f"Move its import out of 'if TYPE_CHECKING:' (ruff: runtime-evaluated-decorators = ['flowli.job'])."
        ) from exc
    except (PydanticSchemaGenerationError, PydanticUserError) as exc:
        if getattr(exc, "code", None) == "typed-dict-version":
            raise DefinitionError(
                f"Job {job!r}: the annotation of {parameter!r} has a TypedDict of 'typing', which pydantic cannot read "
                f"on this Python. Import it: from typing_extensions import TypedDict."
            ) from exc
        raise DefinitionError(
            f"Job {job!r}: pydantic cannot validate the annotation of {parameter!r}. Use a model, a dataclass, a "
            f"TypedDict or a plain type."
        ) from exc


def _written(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose source holds the annotations: below decorators, partials and callable objects."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = inspect.unwrap(handler)
    return handler if inspect.isroutine(handler) else type(handler).__call__


def _annotations(handler: Callable[..., Any]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations  # type: ignore[import-not-found,unused-ignore]

        return get_annotations(handler, format=Format.FORWARDREF)
    return getattr(handler, "__annotations__", {})


def _names(handler: Callable[..., Any]) -> dict[str, Any]:
    """What an annotation written as text may refer to: the handler's module, then what the handler closes over."""
    names = dict(getattr(handler, "__globals__", {}))
    code, cells = getattr(handler, "__code__", None), getattr(handler, "__closure__", None)
    if code is not None and cells is not None:
        for name, cell in zip(code.co_freevars, cells, strict=True):
            try:
                names[name] = cell.cell_contents
            except ValueError:  # the cell is not filled yet: the name stays unknown
                continue
    return names


def dump_json(
    adapter: TypeAdapter[Any], value: Any, *, warnings: bool | Literal["error"] = True, most: int | None = None
) -> bytes:
    """The value as compact JSON of at most so many bytes. Raises Unwritable where there is none, or none that says the
    same: JSON has no NaN and no infinity, and pydantic would write null."""
    try:
        text = adapter.serializer.to_json(value, warnings=warnings)
    except Exception as exc:  # pydantic's text shows the value
        raise Unwritable(type(exc).__name__) from None
    if most is not None and len(text) > most:
        raise Unwritable(f"it has {len(text)} bytes as JSON, and {most} are the most")
    if b"null" in text and value is not None and _may_hold_floats(adapter) and _loses_a_number(adapter, value, text):
        raise Unwritable("it holds NaN or an infinity, and JSON has no number for them")
    return text


@functools.lru_cache(maxsize=1024)
def _may_hold_floats(adapter: TypeAdapter[Any]) -> bool:
    return not {"float", "any"}.isdisjoint(_words(adapter.core_schema))


def _loses_a_number(adapter: TypeAdapter[Any], value: Any, text: bytes) -> bool:
    if b"NaN" in text or b"Infinity" in text:  # the model asks for them by ser_json_inf_nan
        return False
    tree = adapter.dump_python(value, warnings=False)
    as_null, as_number = (to_json(tree, inf_nan_mode=mode, fallback=repr) for mode in ("null", "constants"))
    return as_null != as_number


def issues_of(
    exc: PydanticError, *where: str | int, adapter: TypeAdapter[Any] | None = None
) -> tuple[Mapping[str, Any], ...]:
    """pydantic's findings below ``where``, without the inputs that its own text would show.

    With the ``adapter`` that raised it, a key that the data brought (of a dict, of an unknown field) is ``"?"``.
    """
    known = None if adapter is None else _LABELS.union(_words(adapter.core_schema))
    return tuple(
        {"loc": (*where, *_place(error["loc"], known)), "type": error["type"], "msg": _message(error)}
        for error in exc.errors(include_url=False, include_input=False, include_context=False)
    )


def _place(loc: Sequence[str | int], known: frozenset[str] | None) -> Iterator[str | int]:
    for part in loc:
        words = _WORD.findall(part) if isinstance(part, str) else ()
        yield part if known is None or isinstance(part, int) or (words and known.issuperset(words)) else "?"


def _words(schema: Any) -> Iterator[str]:
    """Every word that the author of a schema wrote, and pydantic's own."""
    kind = schema.__class__
    if kind is str:
        yield from _WORD.findall(schema)
    elif kind is dict:
        for key, value in schema.items():
            yield from _words(key)
            if key not in ("default", "metadata"):
                yield from _words(value)
    elif kind in (list, tuple):
        for value in schema:
            yield from _words(value)


def _message(error: Mapping[str, Any]) -> str:
    # The text of a validator of the user's own may quote the value; that of most of pydantic's built-in types does not.
    if error["type"] in _DISCREET:
        return str(error["msg"])
    return "it names no member of the union" if error["type"] == "union_tag_invalid" else "a validator refused it"


def refuse(job: str, what: str, issues: Sequence[Mapping[str, Any]]) -> ValidationError:
    """The error for input or meta that does not validate."""
    lines = [f"  {'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}" for issue in issues[:_MOST_SHOWN]]
    if len(issues) > _MOST_SHOWN:
        lines.append(f"  and {len(issues) - _MOST_SHOWN} more, see .issues")
    return ValidationError(f"Job {job!r}: {what} does not validate.\n" + "\n".join(lines), issues=issues)
