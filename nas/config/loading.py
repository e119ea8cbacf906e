"""Reading a configuration: the file, what the command line overrides, and all errors at once."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nas.config.models import Config
from nas.errors import ConfigError, nearest

__all__ = ["changed_keys", "load_config", "parse_config", "parse_value"]

_PATHS = (("data", "path"), ("latency", "table"), ("mpc", "table"), ("predictors", "path"))


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file, apply the overrides, and check the result.

    Paths (`data.path`, `latency.table`, `mpc.table`, `predictors.path`) become absolute: those
    in the file are relative to the file's folder, those in the overrides to the folder in which
    the command runs.

    Args:
        path: The TOML file.
        overrides: Texts such as ``train.epochs=3``. The value is read as TOML; a bare word is a
            string. A later one wins.

    Raises:
        ConfigError: One message with all that is wrong, one line for each key.
    """
    path = Path(path)
    document = _read_toml(path)
    _make_paths_absolute(document, path.parent)
    problems = [problem for text in overrides if (problem := _override(document, text))]
    _make_paths_absolute(document, Path())
    return _check(document, problems, source=str(path))


def parse_config(document: Mapping[str, Any], *, source: str) -> Config:
    """Check a configuration that was read already, for example from a run folder's JSON.

    Args:
        document: Sections and keys as in the TOML file.
        source: What the error message calls it.

    Raises:
        ConfigError: One message with all that is wrong, one line for each key.
    """
    return _check(document, [], source=source)


def parse_value(text: str) -> Any:
    """Read a value given on the command line: as TOML, or a bare word as a string.

    Raises:
        ConfigError: It begins as a TOML string, array or table and is none.
    """
    text = text.strip()
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text.startswith(("'", '"', "[", "{")):
            raise ConfigError(f"the value {text} is no valid TOML: {error}.") from error
        return text
    return parsed["value"] if len(parsed) == 1 else text


def changed_keys(old_json: Mapping[str, Any], new_json: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys whose values differ, sorted; both from `Config.to_json`."""
    changed = []
    for key in sorted({*old_json, *new_json}):
        old, new = old_json.get(key), new_json.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changed += [f"{key}.{inner}" for inner in changed_keys(old, new)]
        elif old != new or (key in old_json) != (key in new_json):
            changed.append(key)
    return changed


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        there = [entry.name for entry in path.absolute().parent.glob("*.toml")]
        raise ConfigError(
            f"configuration file {path} does not exist. {nearest(path.name, there)}"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration file {path} is no UTF-8 text: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"configuration file {path} is no valid TOML: {error}.") from error


def _make_paths_absolute(document: Mapping[str, Any], folder: Path) -> None:
    for section, key in _PATHS:
        found = document.get(section)
        tables = [table for table in (found if isinstance(found, list) else [found]) if table]
        named = [inner for table in tables if isinstance(table, dict) for inner in table.values()]
        for table in [*tables, *named]:
            if isinstance(table, dict) and isinstance(table.get(key), str) and table[key]:
                with suppress(RuntimeError):  # no such home; the loader says what is missing
                    table[key] = str((folder / Path(table[key]).expanduser()).resolve())


def _override(document: dict[str, Any], text: str) -> str | None:
    """Set one value in the document; return what is wrong with the text, if anything."""
    name, equals, value = text.partition("=")
    *tables, key = (part.strip() for part in name.split("."))
    if not (equals and key and all(tables) and value.strip()):
        return f"override {text!r}: must be KEY=VALUE, for example train.epochs=3"
    for depth, part in enumerate(tables, 1):
        document = document.setdefault(part, {})
        if not isinstance(document, dict):
            return f"override {text!r}: {'.'.join(tables[:depth])} is no section"
    try:
        document[key] = parse_value(value)
    except ConfigError as error:
        return f"override {text!r}: {error}"
    return None


def _check(document: Mapping[str, Any], problems: Sequence[str], *, source: str) -> Config:
    found: dict[str, str] = {}
    try:
        config = Config.model_validate(copy.deepcopy(dict(document)))
        if not problems:
            return config
    except ValidationError as error:
        for details in error.errors(include_url=False):
            for key, problem in _explain(details, document):
                # The members of a union each complain about the same key.
                found[key] = f"{found[key]}, or {problem}" if key in found else problem
    lines = [*problems, *(f"{key}{problem}" for key, problem in found.items())]
    count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
    raise ConfigError("\n  ".join([f"{count} in the configuration {source}:", *lines]))


def _explain(details: ErrorDetails, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield dotted keys, each with the rest of its line: what was given and what is allowed."""
    kind, location = details["type"], details["loc"]
    key = _dotted(location, document, missing=kind == "missing")
    given = f" = {_shown(details['input'])}: "
    if kind == "extra_forbidden":
        yield key, given + _unknown(location)
    elif kind == "missing":
        yield key, f": is required and missing. {_description(location)}".rstrip()
    elif kind == "problems":
        for inner, problem in details["ctx"]["problems"].items():
            dotted = f"{key}.{inner}".lstrip(".")
            yield dotted, f"{_given(document, dotted)}: {problem}"
    elif kind == "model_type":
        yield key, f"{given}must be a section [{key}] with keys of its own"
    else:
        message = details["msg"].removeprefix("Value error, ")
        if kind == "value_error" and isinstance(details["input"], Mapping):
            given = ": "  # a check over a whole section, which names the keys itself
        for start in ("Input should", "String should", "Value should"):
            message = message.replace(f"{start} be", "must be").replace(start, "must")
        yield key, given + message


def _dotted(location: Sequence[str | int], document: Any, *, missing: bool) -> str:
    """Return the dotted key, without the names that pydantic adds for members of a union."""
    parts = []
    for part in location[:-1] if missing else location:
        if isinstance(document, list):
            document = dict(enumerate(document))
        if isinstance(document, Mapping) and part in document:
            parts.append(str(part))
            document = document[part]
    return ".".join([*parts, str(location[-1])] if missing else parts)


def _given(document: Any, dotted: str) -> str:
    for part in dotted.split("."):
        if not isinstance(document, Mapping) or part not in document:
            return " (not given, so its default)"
        document = document[part]
    return f" = {_shown(document)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """Return the section types in an annotation such as ``LatencyConfig | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _fields(location: Sequence[str | int]) -> dict[str, str]:
    """Return the keys that the section at `location` knows, with their descriptions."""
    sections: list[type[BaseModel]] = [Config]
    for part in location:
        fields = [s.model_fields[str(part)] for s in sections if str(part) in s.model_fields]
        if fields:
            sections = [section for field in fields for section in _sections(field.annotation)]
    return {
        name: field.description or ""
        for section in sections
        for name, field in section.model_fields.items()
    }


def _description(location: Sequence[str | int]) -> str:
    return _fields(location[:-1]).get(str(location[-1]), "")


def _unknown(location: Sequence[str | int]) -> str:
    name = str(location[-1])
    here = _fields(location[:-1])
    elsewhere = [section for section in _fields(()) if name in _fields((section,))]
    if len(location) == 1 and elsewhere:
        return f"unknown key. It belongs to the section [{elsewhere[0]}]."
    if elsewhere and elsewhere[0] != location[0]:
        return f"unknown key. It belongs to the section [{elsewhere[0]}]."
    return f"unknown key. {nearest(name, here)}"
