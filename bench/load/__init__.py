"""A load test with Locust while instances are registered and deregistered, for any balancer.

`python -m bench.load` starts a real Consul and a pylb as well. docs/load-testing.md describes the test.
Nothing here depends on the balancer under test, except the optional watch of pylb's workers by its admin
API.

Run: one load test, from the start of the instances to the verdict.
Instance: a web service that names itself in `X-Served-By`.
Permanent: registered for the whole test. Temporary instances are registered and deregistered during it.
Scaler: the process that runs the instances and changes the registry.
Lifetime: the registration and the deregistration time of one instance.
Journal: the scaler's output, one line of JSON per lifetime and change.
Hits: the responses by instance, with the times of the first and the last one.
Process watch: the pids and start times of the balancer's processes.
Shape: the number of users over time.
"""
