"""
Real UEFI cores in QEMU, judged as the party `core`.

`wire` is the protocol between suite and agent, `agent/` the agent in C, `build` compiles it and `media` puts it on a
disk. `boards` says what each firmware wants, `qemu` holds one process of QEMU, `guest` a machine with the agent at its
prompt: booted once, then restored for every scenario. `story` turns what the agent tells into a trace, `facets` and
`target` are the contract.
"""
