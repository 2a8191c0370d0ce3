"""What failures cost the clients, of pylb and of its rivals: a backend killed or hung, the registry gone.

`python -m bench.failure` starts a real Consul, three backends in processes of their own, and a proxy before
them that follows the registry; clients that tell every ending apart ask all the while, each as soon as its
last request is done. Then something fails:

- `killed`: one backend is ended with SIGKILL, the registry goes on calling it passing;
- `hung`: one backend is stopped with SIGSTOP: the kernel takes its connections, nobody answers;
- `registry`: Consul is ended with SIGKILL, comes back empty after `--outage` seconds, and a second later the
  instances are registered again. No backend has failed.

Counted from that moment: requests that failed (by their status, refused, reset or cut off, late by more than
`--patience`), slow ones, when the last of both was, and client connections that were closed. How long is
looked on, once a backend has failed or the registry is complete again, is each fault's own (faults.py),
unless `--seconds` says otherwise. In each of `--rounds` each proxy has its turn, with all of that started
afresh.

Each rival is there with its defaults (the files of `bench.change`), and as `...-tuned` with what its
documentation advises against such failures: bench/peers/*advised* name the pages. pylb has its defaults.
Envoy does not follow Consul by itself; it is told the backends by its file.
"""
