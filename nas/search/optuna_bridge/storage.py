"""Where studies are stored: a database by URL, or a journal file; both may go away for a while."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from nas.errors import ConfigError
from nas.search.errors import StorageLostError
from nas.search.optuna_bridge.package import optuna_package, quiet
from nas.search.optuna_bridge.trials import directions
from nas.search.problem import Problem

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

__all__ = ["WAITS_S", "StoredStudy", "open_study", "shown"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # a restarted server is back within a minute


def shown(url: str) -> str:
    """Return a storage URL without the password."""
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:***@", url)


@dataclass(frozen=True)
class StoredStudy:
    """A study in a storage.

    Attributes:
        url: Of the storage.
        name: Of the study.
        storage: Optuna's; call it through `patiently`.
        id: Of the study in the storage.
        waits_s: Seconds to wait before each further attempt to reach the storage.
    """

    url: str
    name: str
    storage: BaseStorage
    id: int
    waits_s: Sequence[float]

    def patiently(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the storage, again and again while it cannot be reached.

        Raises:
            StorageLostError: It did not come back; nothing that was written is lost.
        """
        call = getattr(self.storage, method)
        return _patiently(lambda: call(*arguments, **options), self.url, self.waits_s)


def open_study(
    problem: Problem, url: str, name: str, *, waits_s: Sequence[float] = WAITS_S
) -> StoredStudy:
    """Open a study, or make it where there is none.

    Args:
        problem: Its space and objectives must be those of the study.
        url: A database as SQLAlchemy names it, for example ``sqlite:///study.db`` or
            ``postgresql+psycopg://user@host/database``; anything without ``://`` is the path
            of a journal file.
        name: Of the study.
        waits_s: Seconds to wait before each further attempt to reach the storage.

    Raises:
        ConfigError: The URL is wrong, its driver is not installed, or the study belongs to
            another space or other objectives.
        StorageLostError: The storage cannot be reached.
        MissingExtraError: Optuna is not installed.
    """
    package = optuna_package()
    with quiet():
        storage = _patiently(lambda: _open(url), url, waits_s)
        study: Study = _patiently(
            lambda: package.create_study(
                storage=storage,
                study_name=name,
                directions=directions(problem),
                load_if_exists=True,
            ),
            url,
            waits_s,
        )
        _patiently(lambda: _check(study, problem, url), url, waits_s)
        id = _patiently(lambda: storage.get_study_id_from_name(name), url, waits_s)
    return StoredStudy(url, name, storage, id, waits_s)


def _check(study: Study, problem: Problem, url: str) -> None:
    """Note in a new study what it is about; refuse one that is about something else."""
    about = {
        "space": problem.space.name,
        "fingerprint": problem.space.fingerprint,
        "objectives": [f"{o.direction} {o.metric}" for o in problem.objectives],
    }
    found = study.user_attrs
    if not found and not study.get_trials(deepcopy=False):
        for key, value in about.items():
            study.set_user_attr(key, value)
        study.set_metric_names([objective.metric for objective in problem.objectives])
        return
    differing = [key for key, value in about.items() if found.get(key, value) != value]
    if differing or not found:
        raise ConfigError(
            f"The study {study.study_name!r} in {shown(url)} is about something else: "
            + ", ".join(
                f"{key} is {found.get(key, 'not noted')!r}, here {about[key]!r}"
                for key in differing or about
            )
            + ". Give this search a study of its own name."
        )


def _open(url: str) -> BaseStorage:
    storages = optuna_package().storages
    if "://" not in url:
        storage: BaseStorage = storages.JournalStorage(storages.journal.JournalFileBackend(url))
        return storage
    options = {} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        database = storages.RDBStorage(url, engine_kwargs=options)
    except (ImportError, *_sqlalchemy("ArgumentError", "NoSuchModuleError")) as error:
        raise ConfigError(
            f"The storage {shown(url)} cannot be used: {error}. Use for example "
            "sqlite:///study.db, postgresql+psycopg://user@host/database (pip install "
            "'subnet-search[postgresql]'), or the path of a journal file."
        ) from error
    cached: BaseStorage = storages._CachedStorage(database)  # as Optuna does for a URL
    return cached


def _sqlalchemy(*names: str) -> Any:
    errors = import_module("sqlalchemy.exc")
    return tuple(getattr(errors, name) for name in names)


def _patiently(call: Callable[[], T], url: str, waits_s: Sequence[float]) -> T:
    package = optuna_package()
    away = (
        OSError,
        package.exceptions.StorageInternalError,
        # the last two: another worker makes Optuna's tables at the same moment
        *_sqlalchemy("OperationalError", "InterfaceError", "IntegrityError", "ProgrammingError"),
    )
    for wait_s in waits_s:
        try:
            return call()
        except away as error:
            logger.warning(
                "%s cannot be reached, next attempt in %g s: %s", shown(url), wait_s, error
            )
            time.sleep(wait_s)
    try:
        return call()
    except away as error:
        raise StorageLostError(
            f"{shown(url)} cannot be reached: {error}. Nothing that was written is lost; go on "
            "by the same command when the storage is back."
        ) from error
