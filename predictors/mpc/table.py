"""Tables of measured operators: one protocol, one engine, one machine; a JSON file.

A protocol that packs many values into one ciphertext costs by the exact sizes, so a table
holds operators at the sizes that a space needs, and refuses any other. Rows are written as
they are measured: a build that is stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from predictors.errors import TableError
from predictors.latency.fields import Fields
from predictors.latency.files import write_text
from predictors.mpc.cost import MpcCost
from predictors.mpc.profiles import Protocol, get_protocol
from predictors.mpc.program import Operator
from predictors.provenance import Provenance

__all__ = ["MpcTable", "load_mpc_table", "save_mpc_table"]

_FORMAT, _VERSION = "mpc-table", 3
_NUMBERS = ("online_bytes", "one_way_bytes", "sends", "rounds", "cpu_s", "refills")


@dataclass(frozen=True, slots=True)
class MpcTable:
    """Prices of operators, measured.

    Attributes:
        protocol: That they hold for.
        device: Machine that the processor seconds were measured on.
        versions: Of the engine and what it runs on.
        date: ISO date of the last measurement.
        rows: Price of every measured operator.
        load: Highest load average during the measurements.
        origin: What messages call the table: its file, or that it ships.
    """

    protocol: Protocol
    device: str
    versions: Mapping[str, str]
    date: str
    rows: Mapping[Operator, MpcCost] = field(default_factory=dict)
    load: float = 0.0
    origin: str = field(default="The table", compare=False)

    @property
    def provenance(self) -> Provenance:
        """Where the prices come from."""
        engine = f"{self.protocol.engine} {self.versions.get(self.protocol.engine, '')}".strip()
        return Provenance("table", f"operators of {self.protocol}", self.device, engine, self.date)

    def __call__(self, operator: Operator) -> MpcCost:
        """Return what an operator costs.

        Raises:
            TableError: It was not measured.
        """
        if operator not in self.rows:
            raise TableError(
                f"{self.origin} lacks {operator} under {self.protocol.name}; a table has exact "
                "sizes only. Measure the space's own (nas mpc measure --space NAME --protocol "
                f"{self.protocol.name} --out TABLE) and name it: --prices TABLE, or table = "
                '"TABLE" in the section [mpc].'
            )
        return dataclasses.replace(self.rows[operator], offline_bytes=self.protocol.offline_bytes)

    def missing(self, operators: Iterable[Operator]) -> list[Operator]:
        """Return the operators without a row, each once, sorted."""
        return sorted(set(operators) - set(self.rows))


def save_mpc_table(table: MpcTable, path: Path) -> None:
    """Write a table.

    Raises:
        TableError: It cannot be written.
    """
    value = {
        "format": _FORMAT,
        "version": _VERSION,
        "protocol": table.protocol.to_json(),
        "device": table.device,
        "versions": dict(table.versions),
        "date": table.date,
        "load": table.load,
    }
    lines = [json.dumps(value)[:-1] + ', "rows": [']
    rows = [json.dumps(_row(operator, cost)) for operator, cost in sorted(table.rows.items())]
    write_text(path, lines[0] + "\n" + ",\n".join(rows) + "\n]}\n")


def _row(operator: Operator, cost: MpcCost) -> dict[str, Any]:
    numbers = {name: getattr(cost, name) for name in _NUMBERS}
    return {"kind": operator.kind, "sizes": list(operator.sizes), **numbers}


def load_mpc_table(path: Path) -> MpcTable:
    """Read a table.

    Raises:
        TableError: It cannot be read, is damaged, or was made with another version of the
            engine or other settings of the protocol than this version computes with.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"Cannot read the table {path}: {error}.") from error
    fields = Fields(value, str(path))
    if fields.text("format") != _FORMAT or fields.integer("version") != _VERSION:
        raise TableError(f"{path} is no table of private costs that this version reads.")
    stored = fields.object("protocol")
    protocol = get_protocol(stored.text("name"))
    if stored.value != protocol.to_json():
        now = protocol.to_json()
        different = [k for k in now if stored.value.get(k) != now[k]]
        said = ", ".join(f"{k} {stored.value.get(k)} against {now[k]}" for k in different)
        raise TableError(
            f"{path} was measured for another {protocol.name}: {said}. Measure again."
        )
    rows: dict[Operator, MpcCost] = {}
    for item in fields.items("rows"):
        operator = Operator(item.text("kind"), tuple(_sizes(item)))
        if operator in rows:
            raise TableError(f"{item.where}: {operator} is there twice. Measure the table again.")
        numbers = {name: item.number(name) for name in _NUMBERS}
        rows[operator] = MpcCost(**numbers)
    return MpcTable(
        protocol,
        fields.text("device"),
        {str(k): str(v) for k, v in fields.object("versions").value.items()},
        fields.text("date"),
        rows,
        fields.number("load"),
        str(path),
    )


def _sizes(item: Fields) -> list[int]:
    item.items("sizes")
    sizes: list[int] = Fields(item.value["sizes"], f"{item.where}: sizes").integers()
    return sizes
