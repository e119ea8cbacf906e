"""The archive of a search: every evaluation, with its provenance, in a crash-safe database."""

from nas.archive.archive import Archive
from nas.archive.values import Evaluated, Metric, Proposal, Record

__all__ = ["Archive", "Evaluated", "Metric", "Proposal", "Record"]
