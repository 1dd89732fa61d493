"""A machine running a model: layouts, passes, the ledger of work, the clock, memory, serving."""
