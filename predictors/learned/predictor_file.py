"""The file of a learned predictor: one .npz of plain arrays and a JSON header, no pickle."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from predictors.errors import PredictorError
from predictors.latency.files import write_bytes
from predictors.learned.models import MODELS
from predictors.learned.predictor import LearnedPredictor, Member
from predictors.provenance import Provenance
from search_spaces import SearchSpace, described_space
from search_spaces.errors import NasError, SpaceError

__all__ = ["load_predictor", "save_predictor"]

_FORMAT, _VERSION = "learned-predictor", 1
_HEADER = "header"


def save_predictor(predictor: LearnedPredictor, path: Path | str) -> None:
    """Write a predictor, whole or not at all.

    Raises:
        TableError: The file cannot be written.
    """
    arrays: dict[str, Any] = {}
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "space": predictor.space.description,
        "fingerprint": predictor.space.fingerprint,
        "predictor": _predictor_json(predictor, "", arrays),
    }
    buffer = io.BytesIO()
    arrays[_HEADER] = np.array(json.dumps(header))
    np.savez_compressed(buffer, **arrays)
    write_bytes(Path(path), buffer.getvalue())


def load_predictor(path: Path | str, space: SearchSpace | None = None) -> LearnedPredictor:
    """Read what `save_predictor` wrote; it predicts the same numbers, with numpy alone.

    Args:
        path: The file.
        space: The space that is asked about; by default the one the file names.

    Raises:
        PredictorError: The file is missing, damaged, foreign or newer, or belongs to another
            space.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop(_HEADER)))
    except OSError as error:
        raise PredictorError(
            f"Cannot read the predictor {path}: {error.strerror or error}. Fit one with: "
            "nas predictor fit"
        ) from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise PredictorError(
            f"{path} is no predictor, or was cut short ({error!s:.80}). Restore it from a copy or "
            "fit it again: nas predictor fit"
        ) from error
    return _read(header, arrays, path, space)


def _read(
    header: Any, arrays: dict[str, np.ndarray[Any, Any]], path: Path, space: SearchSpace | None
) -> LearnedPredictor:
    """Return the predictor of a header and its arrays.

    Raises:
        PredictorError: See `load_predictor`.
    """
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise PredictorError(f"{path} is no predictor: its header is not of {_FORMAT!r}.")
    if header.get("version") != _VERSION:
        raise PredictorError(
            f"{path} has version {header.get('version')} of the predictor format; this version "
            f"of the program reads {_VERSION}. Update the program or fit it again."
        )
    try:
        named = space or described_space(header["space"])
        if named.fingerprint != header["fingerprint"]:
            raise PredictorError(
                f"{path} was fitted on {header['space']['name']} with the options "
                f"{header['space']['options']}, not on {named!r} with {dict(named.options)}. "
                "Use that space or fit a predictor on this one."
            )
        return _predictor(header["predictor"], "", arrays, named)
    except SpaceError as error:
        raise PredictorError(f"The space of {path} cannot be built here: {error}") from error
    except NasError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PredictorError(
            f"{path} is damaged: {type(error).__name__} {error!s:.80}. Fit it again."
        ) from error


def _predictor_json(predictor: LearnedPredictor, prefix: str, arrays: dict[str, Any]) -> Any:
    """Return what is no array of a predictor and of its sources; collect the arrays."""
    return {
        "metric": predictor.metric,
        "provenance": predictor.provenance.to_json(),
        "figures": dict(predictor.figures),
        "members": [
            _member_json(member, f"{prefix}member{i}.", arrays)
            for i, member in enumerate(predictor.members)
        ],
        "sources": [
            _predictor_json(source, f"{prefix}source{i}.", arrays)
            for i, source in enumerate(predictor.sources)
        ],
    }


def _predictor(
    value: Any, prefix: str, arrays: dict[str, Any], space: SearchSpace
) -> LearnedPredictor:
    return LearnedPredictor(
        space,
        str(value["metric"]),
        Provenance.from_json(value["provenance"]),
        tuple(
            _member(item, f"{prefix}member{i}.", arrays) for i, item in enumerate(value["members"])
        ),
        dict(value["figures"]),
        tuple(
            _predictor(item, f"{prefix}source{i}.", arrays, space)
            for i, item in enumerate(value["sources"])
        ),
    )


def _member_json(member: Member, prefix: str, arrays: dict[str, Any]) -> Any:
    for name in ("columns", "offset", "scale"):
        arrays[prefix + name] = getattr(member, name)
    for name, array in member.model.arrays().items():
        arrays[f"{prefix}model.{name}"] = array
    base = None if member.base is None else _member_json(member.base, f"{prefix}base.", arrays)
    return {
        "features": member.features,
        "model": member.model.kind,
        "spread": member.spread,
        "base": base,
    }


def _member(value: Any, prefix: str, arrays: dict[str, Any]) -> Member:
    start = f"{prefix}model."
    own = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
    base = value["base"]
    return Member(
        str(value["features"]),
        arrays[f"{prefix}columns"],
        arrays[f"{prefix}offset"],
        arrays[f"{prefix}scale"],
        MODELS[value["model"]].from_arrays(own),
        float(value["spread"]),
        None if base is None else _member(base, f"{prefix}base.", arrays),
    )
