"""Plain values in a pickle file, read without running what the file says.

The python version of CIFAR is pickled. A pickle is a program for a small stack machine that may
call anything; here only the instructions that build numbers, texts, lists, dicts and arrays of
bytes are carried out, by this module itself, and everything else is refused. The instructions
are those of `pickletools`, which only reads them.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import DataError

__all__ = ["read_plain_pickle"]

_VALUES = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_VALUES |= {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"}
_VALUES |= {"BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MARK = object()


class _Name(str):
    """A name that the file refers to; it is never looked up."""


class _Array:
    """An array of bytes: named by one instruction, filled by a later one."""

    def __init__(self) -> None:
        self.value = np.empty(0, dtype=np.uint8)

    def fill(self, state: Any) -> None:
        """Take shape and bytes from the state that numpy stores."""
        _, shape, kind, by_columns, data = state
        raw = data.encode("latin-1") if isinstance(data, str) else data
        if kind != "u1" or not isinstance(raw, bytes):
            raise ValueError(f"an array of {kind!r}, only bytes (u1) are allowed")
        order = "F" if by_columns else "C"
        self.value = np.frombuffer(raw, dtype=np.uint8).reshape(shape, order=order)  # type: ignore[call-overload]


def read_plain_pickle(file: Path) -> dict[str, Any]:
    """Return the dict in a pickle file that holds nothing but plain values.

    Keys and texts that Python 2 wrote as bytes come back as `str`, arrays as uint8.

    Raises:
        DataError: It is damaged, or holds anything else.
    """
    try:
        value = _Machine().run(file.read_bytes())
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, UnicodeError) as error:
        raise DataError(
            f"{file} is damaged or no file of plain values: {error}. Allowed are pickled numbers, "
            "texts, lists, dicts and arrays of bytes; nothing in it was run. Fetch it again."
        ) from error
    if not isinstance(value, dict):
        raise DataError(
            f"{file} holds a {type(value).__name__}, not a dict. Correct `path` or `format`."
        )
    return {
        str(key): item.value if isinstance(item, _Array) else item for key, item in value.items()
    }


class _Machine:
    """The part of pickle's stack machine that builds plain values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """Carry out all instructions and return the value on the stack."""
        for instruction, argument, _ in pickletools.genops(data):
            name = instruction.name
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name == "GLOBAL":
                self.stack.append(_Name(argument))
            elif name == "STOP":
                return self.stack.pop()
            elif name not in ("PROTO", "FRAME"):
                step = getattr(self, f"_{name.lower()}", None)
                if step is None:
                    raise ValueError(f"it has the instruction {name}")
                step(argument)
        raise ValueError("it has no end")

    def _since_mark(self) -> list[Any]:
        position = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        values = self.stack[position + 1 :]
        del self.stack[position:]
        return values

    def _mark(self, argument: Any) -> None:
        self.stack.append(_MARK)

    def _empty_dict(self, argument: Any) -> None:
        self.stack.append({})

    def _dict(self, argument: Any) -> None:
        values = self._since_mark()
        self.stack.append(dict(zip(values[::2], values[1::2], strict=True)))

    def _empty_list(self, argument: Any) -> None:
        self.stack.append([])

    def _list(self, argument: Any) -> None:
        self.stack.append(self._since_mark())

    def _empty_tuple(self, argument: Any) -> None:
        self.stack.append(())

    def _tuple(self, argument: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, argument: Any) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, argument: Any) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, argument: Any) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self, argument: Any) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def _appends(self, argument: Any) -> None:
        values = self._since_mark()
        self.stack[-1].extend(values)

    def _setitem(self, argument: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def _setitems(self, argument: Any) -> None:
        values = self._since_mark()
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _put(self, argument: Any) -> None:
        self.memo[argument] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, argument: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, argument: Any) -> None:
        self.stack.append(self.memo[argument])

    _binget = _long_binget = _get

    def _stack_global(self, argument: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Name(f"{module} {name}"))

    def _reduce(self, argument: Any) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name):
            raise ValueError("it calls what is no name")
        module, _, function = name.partition(" ")
        if function == "_reconstruct" and module.startswith("numpy"):
            self.stack.append(_Array())
        elif name == "numpy dtype":
            self.stack.append(str(arguments[0]))
        elif name == "_codecs encode":  # how Python 3 writes bytes for Python 2
            self.stack.append(str(arguments[0]).encode("latin-1"))
        else:
            raise ValueError(f"it calls {name.replace(' ', '.')}")

    def _build(self, argument: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Array):
            self.stack[-1].fill(state)
        elif not isinstance(self.stack[-1], str):  # of a dtype only byte order and the like
            raise ValueError("it fills in what is no array")
