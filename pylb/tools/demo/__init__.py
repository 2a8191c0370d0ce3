"""`pylb demo`: a registry, sample web services, and pylb in front of them, started by one command.

Glossary:
    Environment: everything that runs in the demo.
    Fleet: the instances of the sample web service, each a separate process.
    Reserve: the instance that already listens but is not registered, so that the next one starts immediately.
    Display: the terminal screen, or plain lines where there is no terminal.
    Frame: the data that a display shows at one time.
    Link: a fixed line of the display: a label, and an address or a command.
    Scoreboard: reads a pool and its counters for a frame.
"""
