"""A machine as an object and a model on it: `rackline rack`, a subject a module."""
