"""Communication between the processes of pylb: messages, connections, shared memory, inherited data.

Glossary:
    Control socket: a socket pair that the supervisor keeps; over it, workers connect to control.
    Channel: the connection of one worker to control, a socket pair.
    Hello: the first message of a worker.
    Update: the complete state of one service, from control to the workers.
    Routing update: the routes that are new, changed or removed, from control to the workers.
    Health update: a state of a backend that one worker has determined, for the other workers.
    Supervisor pipe: the connection of a child process to the supervisor, for states and for the detection of
    ends. State file: the state of control in memory, which outlives a control process.
    Bootstrap: the data that a child process inherits at its start.
"""
