"""What is known: chips, machines, models, engines, traces; every number with value, unit, source and date."""
