"""Board tops and reports."""
