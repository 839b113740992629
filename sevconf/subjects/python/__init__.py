"""
A vendor's class in Python (a driver, an IOMMU driver, an OS loader), judged in a worker process.

The suite's side is `target` (what is judged), `remote` (a machine, asked over a line) and `nursery` (where its worker
comes from). The worker's side is `forker` (makes a worker by fork), `worker` (one machine, one class), `load` (finds
the class), `vendors` (puts it into the machine), `border`, `guarded` and `fingerprint` (what passes between foreign
code and ours). `line`, `limits` and `words` belong to both. The suite's side never imports foreign code.
"""
