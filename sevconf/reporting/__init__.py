"""From records to reports: JSON to keep and compare, tables to read, Markdown to commit, JUnit for CI."""
