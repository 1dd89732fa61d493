"""Running many questions and keeping their numbers: processes, a Ray cluster, one DuckDB file."""
