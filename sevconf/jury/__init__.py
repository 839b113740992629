"""
Real cores as jury: what is known of where they differ, and the table that sets them side by side.

`deviations` holds a run against what is known, `table` is the jury's table as a value, `files` writes it.
"""
