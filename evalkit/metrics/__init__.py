"""Scores as pure functions of arrays: one evaluator family a module, bound by conf/evaluators/."""
