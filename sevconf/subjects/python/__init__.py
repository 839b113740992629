"""
A vendor's driver class in Python, judged in a worker process.

The suite's side is `target` (what is judged), `remote` (a machine, asked over a line) and `nursery` (where its worker
comes from). The worker's side is `forker` (makes a worker by fork), `worker` (one machine, one driver), `load` (finds
the class), `border`, `guarded` and `fingerprint` (what passes between foreign code and ours). `line`, `limits` and
`words` belong to both. The suite's side never imports foreign code.
"""
