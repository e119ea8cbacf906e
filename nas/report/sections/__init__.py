"""The sections of the report, one file for each: from what was collected to HTML."""
