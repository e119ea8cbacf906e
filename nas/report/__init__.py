"""The report: one self-contained page, and one plain table, from a run folder."""

from __future__ import annotations

from nas.report.page import report_plain, write_report

__all__ = ["report_plain", "write_report"]
