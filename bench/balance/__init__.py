"""How evenly requests are distributed over backends, and whether `pylb simulate` predicts it.

`python -m bench.balance.imbalance` compares one worker with several. `python -m
bench.balance.simulator_validation` compares the simulator with live runs of the same requests. Both send
requests at given times, whether or not earlier ones have been answered. Neither measures CPU time.

Arrival: the time at which a request is sent, and the time that its origin works on it.
Imbalance: how far the busiest backend is above the mean, as a share of the mean.
Working origin: an origin that processes one request at a time, each for a given time.
Busy origin: an origin that processes requests concurrently and reports the imbalance.
"""
