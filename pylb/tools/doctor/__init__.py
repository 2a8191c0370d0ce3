"""`pylb doctor`: what is wrong with a stack, why, and what helps. Facts are gathered first, then judged."""
