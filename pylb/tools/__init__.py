"""Commands around the balancer: demo, doctor, simulator, terminal views, registrator."""
