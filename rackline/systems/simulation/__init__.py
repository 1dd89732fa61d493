"""A request-level simulator of serving on the same ledger."""
