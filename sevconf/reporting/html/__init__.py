"""
Reports for people: self-contained HTML pages, drawn by Jinja2, with pictures of traces as inline SVG.

A page loads nothing: style and script stand in it, and its policy forbids the rest. Every word that comes from a report
or a trace is escaped.
"""

from sevconf.reporting.html.page import comparison_page, report_page

__all__ = ["comparison_page", "report_page"]
